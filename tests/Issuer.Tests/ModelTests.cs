using System.Security.Cryptography;
using Tacit.Issuer.Tests.Support;
using Tacit.Protocol;
using Tacit.Tests;

namespace Tacit.Issuer.Tests;

/// <summary>Long random histories of several accounts, checked call by call against what an issuer has to do.</summary>
public class ModelTests
{
    private const int Accounts = 3;
    private const int Tokens = 40;

    private static readonly int s_steps = Environment.GetEnvironmentVariable("TACIT_SOAK") == "1" ? 3000 : 150;

    [Fact]
    public async Task Any_history_of_calls_and_faults_keeps_credits_and_tokens_in_balance()
    {
        FaultySigner? signer = null;
        await using TestIssuer issuer = await TestIssuer.StartAsync(
            [TestPlans.Chat, TestPlans.Large], inner => signer = new FaultySigner(inner),
            options => options with { RestoreBurst = 1_000_000, VoucherFailureBurst = 1_000_000 });
        List<BlindedToken> tokens = [.. await issuer.BlindAsync(Tokens / 2), .. await issuer.BlindAsync(Tokens / 2, TestPlans.Large)];
        var account = new string[Accounts];
        var credits = new long[Accounts];
        var paid = new HashSet<int>[Accounts];
        var vouchers = new List<(string Code, long Credits, int? Owner)>();
        for (int i = 0; i < Accounts; i++)
        {
            account[i] = await issuer.CreateAccountAsync();
            paid[i] = [];
        }

        for (int step = 0; step < s_steps; step++)
        {
            int who = RandomNumberGenerator.GetInt32(Accounts);
            switch (RandomNumberGenerator.GetInt32(10))
            {
                case 0:
                    vouchers.Add((await issuer.CreateVoucherAsync(10), 10, null));
                    break;
                case 1 or 2 when vouchers.Count > 0:
                    await RedeemAsync(who, RandomNumberGenerator.GetInt32(vouchers.Count));
                    break;
                case 3 when step % 50 == 0:
                    await issuer.RestartAsync();
                    break;
                case 4 or 5:
                    await RestoreAsync(who, Pick());
                    break;
                default:
                    await RequestAsync(who, Pick(), fails: RandomNumberGenerator.GetInt32(4) == 0);
                    break;
            }
        }

        for (int i = 0; i < Accounts; i++)
        {
            Assert.Equal(credits[i], await issuer.CreditsAsync(account[i]));
            await RestoreAsync(i, [.. Enumerable.Range(0, Tokens)]);
        }

        Assert.Equal(paid.Sum(set => set.Count), await issuer.CountIssuedAsync());
        await issuer.AssertSoundBooksAsync();

        async Task RedeemAsync(int who, int index)
        {
            (string code, long worth, int? owner) = vouchers[index];
            Answer answer = await issuer.RedeemAsync(account[who], code);
            if (owner is not null && owner != who)
            {
                TestIssuer.AssertProblem(ProblemTypes.VoucherUsed, answer);
                return;
            }

            Assert.Equal(200, answer.Status);
            credits[who] += owner is null ? worth : 0;
            vouchers[index] = (code, worth, who);
        }

        async Task RequestAsync(int who, int[] chosen, bool fails)
        {
            signer!.Fault = fails ? FaultySigner.Unavailable : null;
            Answer answer = await issuer.RequestAsync(account[who], chosen.Select(i => tokens[i]));
            signer.Fault = null;
            int[] fresh = [.. chosen.Where(i => !paid[who].Contains(i))];
            long cost = fresh.Sum(PriceOf);
            if (cost > credits[who])
            {
                TestIssuer.AssertProblem(ProblemTypes.InsufficientCredit, answer);
                return;
            }

            credits[who] -= cost;
            paid[who].UnionWith(fresh);
            if (fails)
            {
                TestIssuer.AssertProblem(ProblemTypes.SignerUnavailable, answer);
            }
            else
            {
                IssuanceTests.AssertTokens([.. chosen.Select(i => tokens[i])], answer);
            }
        }

        async Task RestoreAsync(int who, int[] chosen)
        {
            IReadOnlyList<BatchTokenResponse?> responses =
                TestIssuer.ReadBatch(await issuer.RequestAsync(account[who], chosen.Select(i => tokens[i]), Routes.TokenRestore));
            Assert.Equal(chosen.Select(paid[who].Contains), responses.Select(response => response is not null));
        }

        int[] Pick()
        {
            int[] all = [.. Enumerable.Range(0, Tokens)];
            RandomNumberGenerator.Shuffle<int>(all);
            return all[..(1 + RandomNumberGenerator.GetInt32(6))];
        }

        static long PriceOf(int token) => token < Tokens / 2 ? 1 : 4;
    }
}
