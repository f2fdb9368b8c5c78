using System.Text.Json;
using Tacit.Client.Transports;
using Tacit.Protocol;
using Tacit.Tor;

namespace Tacit.Client;

/// <summary>
/// Observes one request, where its caller wants to know what became of it: the client tells its stages as they pass, and its facts. They are in this object and nowhere
/// else, and nothing is sent or looked up because of it but, over Tor, a question to the tor on this machine. Thread safe.
/// </summary>
public sealed class PromptTrace
{
    /// <summary>By which the parts below a request find its observer. Never sent.</summary>
    internal static readonly HttpRequestOptionsKey<PromptTrace> Option = new("tacit trace");

    /// <summary>For tor to say which circuit it was, where it has not by the end of the reply.</summary>
    private static readonly TimeSpan PatienceWithTor = TimeSpan.FromSeconds(2);

    private readonly Lock _gate = new();
    private readonly TimeProvider _time;
    private readonly Action<PromptStage>? _tell;
    private readonly long _begun;
    private readonly List<PromptStage> _stages = [];
    private readonly List<ConnectionFacts> _connections = [];
    private readonly List<Task> _asked = [];
    private PromptFacts _facts = new();
    private int _told;
    private bool _isTelling;
    private bool _isNewConnection;
    private bool _isSending;
    private bool _isBodyThere;
    private bool _isEnded;

    /// <param name="tell">Told each stage, in order, one after the other, on whatever thread it happens; must not wait. Null for nobody.</param>
    public PromptTrace(TimeProvider time, Action<PromptStage>? tell = null)
    {
        ArgumentNullException.ThrowIfNull(time);
        _time = time;
        _tell = tell;
        _begun = time.GetTimestamp();
    }

    /// <summary>What is known so far.</summary>
    public PromptFacts Facts
    {
        get
        {
            lock (_gate)
            {
                return _facts with { Stages = [.. _stages], Connections = [.. _connections] };
            }
        }
    }

    /// <summary>What is known once the questions that were asked of tor are answered, or two seconds are over.</summary>
    public Task<PromptFacts> FinishAsync(CancellationToken cancellationToken = default) => FinishAsync(PatienceWithTor, cancellationToken);

    /// <summary>What is known once the questions that were asked of tor are answered, or this time is over.</summary>
    public async Task<PromptFacts> FinishAsync(TimeSpan patience, CancellationToken cancellationToken = default)
    {
        Task asked;
        lock (_gate)
        {
            asked = Task.WhenAll(_asked);
        }
        if (!asked.IsCompleted)
        {
            using var enough = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            await Task.WhenAny(asked, Task.Delay(patience, _time, enough.Token));
            await enough.CancelAsync();
            cancellationToken.ThrowIfCancellationRequested();
        }
        return Facts;
    }

    internal void Begin(PromptBody body)
    {
        Change(facts => facts with { Model = body.Model });
        Note(PromptStageName.Preparing, body.Model);
    }

    internal void Failed(Exception e) => Note(
        PromptStageName.Failed, e switch
        {
            ClientException known => known.Code ?? known.Error.ToString(),
            OperationCanceledException => "cancelled",
            _ => e.GetType().Name,
        });

    /// <summary>Where it goes and how, before that is waited for. Nothing is said where the settings allow no way: that is an error at once.</summary>
    internal void Routed(string? gateway, Route route, GatewayTransport sealing, TransportPool transports)
    {
        if (!transports.Rules.MayUse(route.ServerAddress))
        {
            return;
        }
        Carrier carrier = transports.Rules.For(route.ServerAddress);
        Change(facts => facts with
        {
            Gateway = gateway,
            Carrier = carrier,
            Sealing = sealing,
            Address = route.Server,
            IsThisMachine = CarrierRules.IsThisMachine(route.ServerAddress),
        });
        Note(PromptStageName.Carrier, carrier == Carrier.Tor ? $"Tor: {transports.Status.Describe()}" : "direct");
    }

    /// <summary>What is sent of the body, which may have been made shorter since.</summary>
    internal void Paying(string plan, string? linkable, PromptBody body)
    {
        Change(facts => facts with { Linkable = linkable, RequestBytes = body.Content.Length, Members = MembersOf(body.Content.Span) });
        Note(PromptStageName.Paying, plan);
    }

    /// <summary>No token pays: a device signs.</summary>
    internal void Signing(string device, PromptBody body)
    {
        Change(facts => facts with { Device = device });
        Paying(DeviceClient.PlanName, DeviceClient.PlanName, body);
    }

    /// <param name="forThis">Whether it was bought or exchanged because this request needed it.</param>
    internal void Took(OpenRequest open, IssuerDirectory directory, bool forThis)
    {
        if (!Token.TryParse(open.Token, out Token? token))
        {
            return;
        }
        string spendId;
        using (token)
        {
            byte[] id = new byte[Token.SpendIdSizeInBytes];
            token.SpendId(open.Series.Extensions, id);
            spendId = Convert.ToHexStringLower(id.AsSpan(0, 6));
        }
        PlanKey? key = directory.FindPlan(open.Series.Plan)?.Keys.FirstOrDefault(
            known => known.TokenKeyId.AsSpan().SequenceEqual(open.Series.KeyId) && known.Deadline == open.Series.Deadline);
        var taken = new TokenFacts
        {
            SpendId = spendId,
            Plan = open.Series.Plan,
            Type = $"0x{(ushort)open.Series.Type:X4}",
            KeyId = Convert.ToHexStringLower(open.Series.KeyId),
            Origin = open.Successor is not null ? TokenOrigin.Subscription : open.Series.Namespace == TokenNamespace.AccountIssued ? TokenOrigin.Bought : TokenOrigin.Exchanged,
            SoldFrom = key?.NotBefore,
            Deadline = open.Series.Deadline,
            Crowd = key?.Accounts,
            IsForThisRequest = forThis,
        };
        Change(facts => facts with { Tokens = [.. facts.Tokens, taken], Outcome = null });
        Note(PromptStageName.Token, $"{taken.Plan} {taken.SpendId}…");
    }

    internal void Connecting(string server)
    {
        lock (_gate)
        {
            _isNewConnection = true;
        }
        Note(PromptStageName.Connecting, server);
    }

    internal void Connected(ConnectionWay way) => Note(PromptStageName.Connected, way.Remote);

    internal void Sealed(long bytes) => Change(facts => facts with { SealedRequestBytes = bytes });

    internal void SealedCame(long bytes) => Change(facts => facts with { SealedReplyBytes = facts.SealedReplyBytes + bytes });

    /// <summary>The first of it is handed to a connection: from here on whoever is at the other end may see it, whether an answer comes or not.</summary>
    internal void Sending()
    {
        lock (_gate)
        {
            _isSending = true;
        }
    }

    internal void Sent(long bytes) => Note(PromptStageName.Sent, $"{bytes} bytes");

    /// <summary>An answer began on a connection.</summary>
    internal void Answered(int status, ConnectionWay way, TransportPool transports)
    {
        lock (_gate)
        {
            Add(way, transports);
            _facts = _facts with { Status = status };
        }
    }

    /// <summary>No answer began, or nobody waited for it; but the request went over the connection, or some of it did.</summary>
    internal void Unanswered(ConnectionWay way, TransportPool transports)
    {
        lock (_gate)
        {
            if (_isSending)
            {
                Add(way, transports);
            }
        }
    }

    internal void Accepted(int status) => Note(PromptStageName.Accepted, $"{status}");

    internal void Came(long delivered)
    {
        bool isFirst;
        lock (_gate)
        {
            isFirst = !_isBodyThere;
            _isBodyThere = true;
            _facts = _facts with { ReplyBytes = delivered };
        }
        if (isFirst)
        {
            Note(PromptStageName.FirstToken);
        }
    }

    internal void Resumed(long delivered) => Note(PromptStageName.Resumed, $"after {delivered} bytes");

    internal void Ended(long delivered)
    {
        lock (_gate)
        {
            if (_isEnded)
            {
                // Read again after its end.
                return;
            }
            _isEnded = true;
        }
        Change(facts => facts with { ReplyBytes = delivered });
        Note(PromptStageName.Ended, $"{delivered} bytes");
    }

    internal void Renewed() => Note(PromptStageName.Renewed);

    internal void Cancelled() => Note(PromptStageName.Cancelled);

    /// <summary>The request ended with an answer that is no reply.</summary>
    internal void Refused(int status, string code) => Note(PromptStageName.Failed, code.Length > 0 ? $"{status} {code}" : $"{status}");

    internal void Settled(TokenOutcome outcome)
    {
        Change(facts => facts with { Outcome = outcome });
        if (outcome == TokenOutcome.Kept)
        {
            Note(PromptStageName.Returned);
        }
    }

    private void Add(ConnectionWay way, TransportPool transports)
    {
        int index = _connections.Count;
        _connections.Add(new ConnectionFacts { At = Now, IsNew = _isNewConnection, Remote = way.Remote });
        (_isNewConnection, _isSending) = (false, false);
        if (way.Circuit is TorIsolation circuit)
        {
            // While the connection is there, and not waited for.
            _asked.Add(AskAsync(index, circuit, transports));
        }
    }

    private long Now => (long)_time.GetElapsedTime(_begun).TotalMilliseconds;

    private void Change(Func<PromptFacts, PromptFacts> change)
    {
        lock (_gate)
        {
            _facts = change(_facts);
        }
    }

    private void Note(PromptStageName name, string? detail = null)
    {
        lock (_gate)
        {
            _stages.Add(new PromptStage(name, Now, detail));
            if (_tell is null || _isTelling)
            {
                // Whoever is telling tells this one as well, so that they come in order.
                return;
            }
            _isTelling = true;
        }
        while (true)
        {
            PromptStage next;
            lock (_gate)
            {
                if (_told == _stages.Count)
                {
                    _isTelling = false;
                    return;
                }
                next = _stages[_told++];
            }
            _tell(next);
        }
    }

    private async Task AskAsync(int connection, TorIsolation isolation, TransportPool transports)
    {
        await Task.Yield();
        (CircuitFacts? circuit, string? problem) = await transports.FindCircuitAsync(isolation);
        lock (_gate)
        {
            _connections[connection] = _connections[connection] with { Circuit = circuit, CircuitProblem = problem };
        }
    }

    private static List<string> MembersOf(ReadOnlySpan<byte> body)
    {
        List<string> members = [];
        var reader = new Utf8JsonReader(body, new JsonReaderOptions { MaxDepth = 128 });
        while (reader.Read())
        {
            if (reader.TokenType == JsonTokenType.PropertyName && reader.CurrentDepth == 1)
            {
                members.Add(reader.GetString()!);
                reader.Skip();
            }
        }
        return members;
    }
}
