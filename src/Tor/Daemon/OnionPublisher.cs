using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using Tacit.Tor.Control;

namespace Tacit.Tor.Daemon;

/// <summary>The onion services of one tor and the keys to others' restricted ones: what a restarted tor has to be told again.</summary>
internal sealed class OnionPublisher(RunFolder folder) : IDisposable
{
    /// <summary>From here on ADD_ONION takes PoWDefensesEnabled.</summary>
    private static readonly Version s_proofOfWorkByCommand = new(0, 4, 9, 2);

    private readonly Lock _lock = new();
    private readonly List<OnionService> _services = [];

    /// <summary>Held while a service is told and remembered, and while all are told again: none falls between.</summary>
    private readonly SemaphoreSlim _telling = new(1);
    private readonly Dictionary<string, byte[]> _clientKeys = new(StringComparer.Ordinal);

    /// <summary>The connection that was last told of services: those belong to it.</summary>
    private volatile ControlConnection? _told;

    public bool HasServices
    {
        get
        {
            lock (_lock)
            {
                return _services.Count > 0;
            }
        }
    }

    /// <exception cref="TorException"><see cref="TorError.BadSetting"/>.</exception>
    public static void Check(OnionServiceOptions options)
    {
        if (!options.PrivateKey.IsEmpty && !OnionKeys.IsKey(options.PrivateKey.Span))
        {
            throw Bad("PrivateKey", "The onion service's key is damaged: it is no expanded Ed25519 key of 64 bytes. Restore it from a backup, or remove it to get a new address.");
        }
        if (options.VirtualPort is < 1 or > 65535)
        {
            throw Bad("VirtualPort", "The onion service's port is none. Use 80.");
        }
        bool isUnix = options.Target.StartsWith("unix:/", StringComparison.Ordinal) && !options.Target.Any(char.IsControl);
        if (!isUnix && !(IPEndPoint.TryParse(options.Target, out IPEndPoint? target) && target.Port > 0 && IPAddress.IsLoopback(target.Address)
            // A scope can be any text, and this goes into a command.
            && !options.Target.Contains('%', StringComparison.Ordinal)))
        {
            throw Bad("Target", "The onion service's target is neither unix:/path nor an address and port of this machine (127.0.0.1:8226). Tor would pass requests on in the clear.");
        }
        for (int i = 0; i < options.AuthorizedClients.Count; i++)
        {
            if (!OnionKeys.IsClientName(options.AuthorizedClients[i]))
            {
                throw Bad(string.Create(CultureInfo.InvariantCulture, $"AuthorizedClients:{i}"), "An authorized client's key is no X25519 public key in base32 (52 characters).");
            }
        }
    }

    /// <summary>Publishes a service and remembers it.</summary>
    public async Task<OnionService> AddAsync(
        ControlConnection control, TorProgram program, OnionServiceOptions options, Func<OnionService, ValueTask> withdraw, CancellationToken cancellationToken)
    {
        byte[] key = options.PrivateKey.IsEmpty ? OnionKeys.Create() : options.PrivateKey.ToArray();
        // The caller's key is his to keep or wipe; from here on only ours is used.
        OnionServiceOptions kept = options with { PrivateKey = default, Target = Shorten(options.Target) };
        await _telling.WaitAsync(cancellationToken);
        try
        {
            _told = control;
            (string serviceId, bool hasProofOfWork) = await TellAsync(control, program, kept, key, cancellationToken);
            var service = new OnionService(serviceId, key, kept, hasProofOfWork, withdraw);
            lock (_lock)
            {
                _services.Add(service);
            }
            return service;
        }
        catch
        {
            CryptographicOperations.ZeroMemory(key);
            throw;
        }
        finally
        {
            _telling.Release();
        }
    }

    public async Task AddClientKeyAsync(ControlConnection control, string serviceId, ReadOnlyMemory<byte> key, CancellationToken cancellationToken)
    {
        byte[] kept = key.ToArray();
        await _telling.WaitAsync(cancellationToken);
        try
        {
            await TellKeyAsync(control, serviceId, kept, cancellationToken);
            lock (_lock)
            {
                if (_clientKeys.Remove(serviceId, out byte[]? former))
                {
                    CryptographicOperations.ZeroMemory(former);
                }
                _clientKeys[serviceId] = kept;
            }
        }
        catch
        {
            CryptographicOperations.ZeroMemory(kept);
            throw;
        }
        finally
        {
            _telling.Release();
        }
    }

    /// <summary>Tells a new tor everything.</summary>
    public async Task RestoreAsync(ControlConnection control, TorProgram program, CancellationToken cancellationToken)
    {
        await _telling.WaitAsync(cancellationToken);
        try
        {
            List<OnionService> services;
            Dictionary<string, byte[]> keys;
            lock (_lock)
            {
                services = [.. _services];
                keys = new Dictionary<string, byte[]>(_clientKeys, StringComparer.Ordinal);
            }
            foreach ((string serviceId, byte[] key) in keys)
            {
                await TellKeyAsync(control, serviceId, key, cancellationToken);
            }
            _told = control;
            foreach (OnionService service in services)
            {
                await RestoreAsync(control, program, service, cancellationToken);
            }
        }
        finally
        {
            _telling.Release();
        }
    }

    /// <summary>Forgets a service, and tells the tor that was told of it; also one that is just being told everything, before anybody else can talk to it.</summary>
    /// <exception cref="TorException">That tor has ended, and the service with it.</exception>
    public async Task WithdrawAsync(OnionService service, CancellationToken cancellationToken)
    {
        bool isRemoved;
        lock (_lock)
        {
            isRemoved = _services.Remove(service);
        }
        if (isRemoved && _told is { } control)
        {
            await control.SendAsync("DEL_ONION " + service.ServiceId, cancellationToken);
        }
    }

    /// <summary>Tor has ended: nothing is published.</summary>
    public void Forget()
    {
        foreach (OnionService service in Services())
        {
            service.Forget();
        }
    }

    /// <param name="words">An HS_DESC event (control-spec, section 4.1.25).</param>
    public void Note(ControlWords words)
    {
        string serviceId = words.At(2);
        // By directory and descriptor: each directory is to get up to two, for this period and the next.
        Services().FirstOrDefault(service => service.ServiceId == serviceId)?.Note(words.At(1), words.At(4) + words.At(5));
    }

    public void Dispose()
    {
        _telling.Dispose();
        foreach (OnionService service in Services())
        {
            service.End();
        }
        lock (_lock)
        {
            _services.Clear();
            foreach (byte[] key in _clientKeys.Values)
            {
                CryptographicOperations.ZeroMemory(key);
            }
            _clientKeys.Clear();
        }
    }

    private async Task RestoreAsync(ControlConnection control, TorProgram program, OnionService service, CancellationToken cancellationToken)
    {
        if (service.CopyKey() is not { } key)
        {
            return;
        }
        try
        {
            (_, service.HasProofOfWork) = await TellAsync(control, program, service.Options, key, cancellationToken);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(key);
        }
        if (!Services().Contains(service))
        {
            // Withdrawn meanwhile, and the word of it may have come before this one.
            await control.SendAsync("DEL_ONION " + service.ServiceId, cancellationToken);
        }
    }

    private static async Task<(string ServiceId, bool HasProofOfWork)> TellAsync(
        ControlConnection control, TorProgram program, OnionServiceOptions options, ReadOnlyMemory<byte> key, CancellationToken cancellationToken)
    {
        bool hasProofOfWork = options.ProofOfWork && program.HasProofOfWork && program.Version >= s_proofOfWorkByCommand;
        string clients = string.Concat(options.AuthorizedClients.Select(client => " ClientAuthV3=" + client.ToUpperInvariant()));
        string after = string.Create(
            CultureInfo.InvariantCulture,
            $"{(clients.Length > 0 ? " Flags=V3Auth" : "")}{(hasProofOfWork ? " PoWDefensesEnabled=1" : "")} Port={options.VirtualPort},{options.Target}{clients}");
        ControlReply reply = await control.SendAsync(OnionKeys.Command("ADD_ONION ED25519-V3:", key.Span, after), cancellationToken);
        if (!reply.IsPositive || reply.Value("ServiceID") is not { Length: 56 } serviceId)
        {
            throw new TorException(TorError.NoControl, $"Tor refused to publish the onion service: {reply.Status} {ControlConnection.OneLine(reply.Lines[^1].Text)}");
        }
        return (serviceId, hasProofOfWork);
    }

    private static async Task TellKeyAsync(ControlConnection control, string serviceId, byte[] key, CancellationToken cancellationToken)
    {
        ControlReply reply = await control.SendAsync(OnionKeys.Command($"ONION_CLIENT_AUTH_ADD {serviceId} x25519:", key, ""), cancellationToken);
        if (!reply.IsPositive)
        {
            throw new TorException(TorError.OnionAuthWrong, $"Tor refused the key for the onion service: {reply.Status} {ControlConnection.OneLine(reply.Lines[^1].Text)}");
        }
    }

    private static TorException Bad(string setting, string message) => new(TorError.BadSetting, message) { Setting = setting };

    private string Shorten(string target) => target.StartsWith("unix:", StringComparison.Ordinal) ? "unix:" + folder.Link(target["unix:".Length..]) : target;

    private List<OnionService> Services()
    {
        lock (_lock)
        {
            return [.. _services];
        }
    }
}
