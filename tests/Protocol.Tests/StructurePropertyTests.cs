using System.Text;
using FsCheck;
using FsCheck.Fluent;
using Tacit.Fuzz;

namespace Tacit.Protocol.Tests;

/// <summary>Properties of the formats that are more than one run of bytes: the directory, header challenges, the signer's wire.</summary>
public sealed class StructurePropertyTests
{
    private static readonly Gen<PeriodKind> s_periods = Gen.Elements(PeriodKind.Day, PeriodKind.Week, PeriodKind.Month);

    private static readonly Gen<Plan> s_plans =
        from id in Property.PlanIds
        from kind in Gen.Elements(PlanKind.Request, PlanKind.Subscription)
        from models in Gen.Choose(1, 4)
        from input in Gen.Choose(1, int.MaxValue)
        from output in Gen.Choose(1, int.MaxValue)
        from price in Gen.Choose(0, int.MaxValue)
        from period in s_periods
        from type in Property.TokenTypes
        from chains in Gen.Choose(1, Plan.MaxConcurrency)
        select new Plan
        {
            Id = id, Kind = kind, Models = [.. Enumerable.Range(0, models).Select(i => $"vendor/model-{i}:free")], MaxInputBytes = input, MaxOutputTokens = output,
            Price = new Credits(price * 1000L), Period = period, TokenType = type, Concurrency = kind == PlanKind.Subscription ? chains : 1,
        };

    private static readonly Gen<IssuerDirectory> s_directories =
        from plans in Gen.ArrayOf(s_plans)
        from start in Gen.Choose(0, 20_000)
        from keyCount in Gen.Choose(0, IssuerDirectory.MaxKeysPerPlan)
        from sequence in Gen.Choose(1, int.MaxValue)
        from previous in Property.BytesOf(IssuerDirectory.HashSizeInBytes)
        select DirectoryOf(plans.DistinctBy(plan => plan.Id).Take(8), DateTimeOffset.UnixEpoch.AddDays(1000 + start), keyCount, sequence, previous);

    private static readonly Gen<PrivateTokenChallenge> s_challenges =
        from bytes in Property.BytesUpTo(120)
        from key in Property.BytesUpTo(400)
        from hasKey in Gen.Elements(true, false)
        from maxAge in Gen.Choose(-1, int.MaxValue)
        select new PrivateTokenChallenge { ChallengeBytes = bytes, TokenKey = hasKey ? key : null, MaxAge = maxAge < 0 ? null : maxAge };

    [Fact]
    public void Directory_reads_what_it_writes() =>
        Property.Holds(
            s_directories,
            directory =>
            {
                byte[] document = directory.SignAndEncode(_ => Samples.Filled(64, 1));
                Assert.True(IssuerDirectory.TryParse(document, out IssuerDirectory? read, out string? error), error);
                Assert.Equal(directory.Plans.SelectMany(plan => plan.Keys), read.Plans.SelectMany(plan => plan.Keys));
                Assert.Equal(directory.Plans.Select(plan => plan.Plan.Price), read.Plans.Select(plan => plan.Plan.Price));
                Assert.Equal(directory.Plans.Select(plan => plan.Plan.Concurrency), read.Plans.Select(plan => plan.Plan.Concurrency));
                Assert.Equal(directory.TokenKeys.Select(key => (key.Type, key.NotBefore)), read.TokenKeys.Select(key => (key.Type, key.NotBefore)));
                Assert.Equal((directory.Sequence, directory.IssuerName), (read.Sequence, read.IssuerName));
                Assert.Equal(document, read.SignAndEncode(_ => Samples.Filled(64, 1)));
            });

    [Fact]
    public void Directory_cut_short_or_with_a_byte_changed_never_passes_for_the_signed_one() =>
        Property.Holds(
            from directory in s_directories
            from cut in Gen.Choose(0, int.MaxValue)
            from value in Property.Bytes()
            select (directory, cut, value),
            input =>
            {
                byte[] document = input.directory.SignAndEncode(_ => Samples.Filled(64, 1));
                Assert.True(IssuerDirectory.TryParse(document, out IssuerDirectory? original, out _));
                int at = input.cut % document.Length;
                Assert.False(IssuerDirectory.TryParse(document.AsMemory(0, at), out _, out _));
                byte[] changed = [.. document];
                changed[at] = input.value;
                if (IssuerDirectory.TryParse(changed, out IssuerDirectory? read, out _))
                {
                    bool same = read.SignedBytes.Span.SequenceEqual(original.SignedBytes.Span)
                        && read.Signature.AsSpan().SequenceEqual(original.Signature);
                    Assert.Equal(input.value == document[at], same);
                }
            });

    [Fact]
    public void Challenges_survive_header_and_back() =>
        Property.Holds(
            from challenges in Gen.ArrayOf(s_challenges)
            from basic in Gen.Elements("", "Basic realm=\"a, PrivateToken challenge=AAAA\", ", "Negotiate AAAA==, ", " , ,")
            select (challenges: challenges.Take(20).ToArray(), basic),
            input =>
            {
                string header = input.basic + PrivateTokenHeader.FormatChallenges(input.challenges);
                if (header.Length == 0)
                {
                    return;
                }

                Assert.True(PrivateTokenHeader.TryParseChallenges(header, out IReadOnlyList<PrivateTokenChallenge> read), header);
                Assert.Equal(input.challenges.Select(Describe), read.Select(Describe));
            });

    [Fact]
    public async Task Signer_wire_carries_every_request_and_answer_unchanged() =>
        await Task.Run(() => Property.Holds(
            from keyId in Property.BytesOf(32)
            from extensions in Property.BytesUpTo(80)
            from hasExtensions in Gen.Elements(true, false)
            from messages in Gen.Choose(1, 4).SelectMany(count => Gen.ArrayOf(Property.BytesOf(256), count))
            from purpose in Gen.Elements(SigningPurpose.Issuance, SigningPurpose.Exchange)
            from status in Gen.Elements(Enum.GetValues<SignStatus>())
            select (new SignRequest
            {
                TokenKeyId = keyId, Extensions = hasExtensions ? extensions : null, BlindedMessages = [.. messages.Select(message => (ReadOnlyMemory<byte>)message)],
                Purpose = purpose,
            }, status),
            input =>
            {
                (SignRequest request, SignStatus status) = input;
                SignResponse answer = status switch
                {
                    SignStatus.Success => SignResponse.Completed([.. request.BlindedMessages.Select(message => message.ToArray())]),
                    SignStatus.InvalidBlindedMessage => SignResponse.Refused(status, request.BlindedMessages.Count - 1),
                    _ => SignResponse.Refused(status),
                };
                EchoSigner echo = new(answer);
                ValueTask<SignResponse> sent = new RemoteSigner((bytes, token) => SignerWire.DispatchAsync(bytes, echo, token))
                    .SignAsync(request, CancellationToken.None);

                // Nothing on this way waits.
                Assert.True(sent.IsCompletedSuccessfully);
                SignResponse received = sent.Result;
                Assert.Equal((answer.Status, answer.FailedIndex), (received.Status, received.FailedIndex));
                Assert.Equal(answer.BlindSignatures, received.BlindSignatures);
                Assert.Equal(Describe(request), Describe(echo.Request!));
            }));

    private static string Describe(PrivateTokenChallenge challenge) =>
        $"{Convert.ToHexString(challenge.ChallengeBytes)} {(challenge.TokenKey is null ? "-" : Convert.ToHexString(challenge.TokenKey))} {challenge.MaxAge}";

    private static string Describe(SignRequest request) => new StringBuilder(Convert.ToHexString(request.TokenKeyId))
        .Append(request.Extensions is null ? "-" : Convert.ToHexString(request.Extensions))
        .Append(request.Purpose)
        .AppendJoin(',', request.BlindedMessages.Select(message => Convert.ToHexString(message.Span)))
        .ToString();

    private static IssuerDirectory DirectoryOf(IEnumerable<Plan> plans, DateTimeOffset time, int keyCount, long sequence, byte[] previous)
    {
        List<DirectoryTokenKey> keys = [];
        HashSet<byte> taken = [];
        int number = 0;
        DirectoryTokenKey NewKey(TokenType type)
        {
            DirectoryTokenKey key;
            do
            {
                key = new DirectoryTokenKey(type, Samples.Digest(number++), number % 3 == 0 ? null : time);
            }
            while (!taken.Add(key.TruncatedKeyId));

            keys.Add(key);
            return key;
        }

        DirectoryTokenKey shared = NewKey(TokenType.PartiallyBlindRsa);
        List<DirectoryPlan> published = [];
        foreach (Plan plan in plans)
        {
            List<PlanKey> planKeys = [];
            Period period = Period.Containing(plan.Period, time);
            for (int i = 0; i < keyCount; i++, period = period.Next)
            {
                bool isShared = plan.TokenType is TokenType.PartiallyBlindRsa;
                planKeys.Add(new PlanKey
                {
                    PlanId = plan.Id,
                    TokenKeyId = (isShared ? shared : NewKey(plan.TokenType)).TokenKeyId,
                    Period = period,
                    NotBefore = i % 2 == 0 ? period.IssueFrom : period.Start,
                    Extensions = isShared ? new PlanMetadata(plan.Id, period.Deadline).EncodeExtensions() : null,
                });
            }

            published.Add(new DirectoryPlan(plan, planKeys));
        }

        return new IssuerDirectory
        {
            IssuerName = "issuer.example",
            IssuerRequestUri = "https://issuer.example/token-request",
            TokenKeys = keys,
            Plans = published,
            Gateways = [new DirectoryGateway("gateway.example", ["http://127.0.0.1:8226"])],
            Sequence = sequence,
            Previous = sequence == 1 ? null : previous,
        };
    }

    private sealed class EchoSigner(SignResponse answer) : ISigner
    {
        public SignRequest? Request { get; private set; }

        public ValueTask<IReadOnlyList<SignerKey>> GetKeysAsync(CancellationToken cancellationToken) => ValueTask.FromResult<IReadOnlyList<SignerKey>>([]);

        public ValueTask<SignResponse> SignAsync(SignRequest request, CancellationToken cancellationToken)
        {
            Request = request;
            return ValueTask.FromResult(answer);
        }
    }
}
