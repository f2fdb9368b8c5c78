using System.Security.Cryptography;
using Tacit.Crypto;
using Tacit.Issuer.Ledger;
using Tacit.Protocol;
using Tacit.Storage;

namespace Tacit.Issuer;

/// <summary>What a restored issuer stands with.</summary>
/// <param name="Aside">Where the books that were there before are now; null if there were none.</param>
/// <param name="Ledger">The audit of the restored books.</param>
/// <param name="OpenVouchers">Vouchers that were not redeemed when the copy was made; those redeemed since can be redeemed again.</param>
/// <param name="Sequence">The number of the last directory it knows of.</param>
public sealed record IssuerRestored(string? Aside, LedgerReport Ledger, long OpenVouchers, long Sequence);

/// <summary>Copies of an issuer's books, and what is to be done with an old one: it has forgotten deposits, sales and directories since.</summary>
public static class IssuerBackup
{
    /// <summary>Puts a copy in the place of the books of an issuer that does not run.</summary>
    /// <param name="copyPath">The copy.</param>
    /// <param name="dataDirectory">The issuer's folder.</param>
    /// <param name="directory">
    /// The newest directory that was published, as anyone has it who fetched it; null if none is at hand. The next one then follows it, where clients would
    /// otherwise refuse directories until their number is past those they saw.
    /// </param>
    /// <param name="time">Dates migrations.</param>
    /// <exception cref="InvalidDataException">The directory is not this issuer's.</exception>
    /// <exception cref="StorageException">The copy cannot be used, or the issuer runs.</exception>
    public static async Task<IssuerRestored> RestoreAsync(
        string copyPath, string dataDirectory, ReadOnlyMemory<byte>? directory, TimeProvider time, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(dataDirectory);
        IssuerRestored? restored = null;
        string? aside = await DatabaseCopy.PutBackAsync(
            copyPath, Path.Combine(dataDirectory, IssuerOptions.DatabaseName), IssuerSchema.Migrations,
            session =>
            {
                if (directory is { } newest)
                {
                    Follow(session, newest);
                }

                restored = new IssuerRestored(
                    null,
                    LedgerAudit.Run(session),
                    session.QueryInt64("SELECT COUNT(*) FROM voucher WHERE redeemed_by IS NULL") ?? 0,
                    session.QueryInt64("SELECT MAX(sequence) FROM directory") ?? 0);
            },
            time, cancellationToken);
        return restored! with { Aside = aside };
    }

    private static void Follow(Session session, ReadOnlyMemory<byte> newest)
    {
        if (!IssuerDirectory.TryParse(newest, out IssuerDirectory? directory, out _) || !session.Query("SELECT public_key FROM directory_key", static row => row.Blob(0)).Any(Signed))
        {
            throw new InvalidDataException("This is no directory that this issuer has signed.");
        }

        // Beside nothing that is known: one that the copy already has is left as it is.
        session.Execute(
            "INSERT INTO directory (sequence, content_hash, body) VALUES ($1, $2, $3) ON CONFLICT (sequence) DO NOTHING",
            directory.Sequence, SHA256.HashData(newest.Span), newest.ToArray());

        bool Signed(byte[] publicKey)
        {
            using Ed25519PublicKey key = Ed25519PublicKey.Import(publicKey);
            return directory.Verify((message, signature) => key.Verify(message.Span, signature.Span));
        }
    }
}
