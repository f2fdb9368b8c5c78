using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Tacit.Protocol;

namespace Tacit.Client;

/// <summary>How far a proof of work is.</summary>
/// <param name="Bits">Zero bits that the gateway asks for.</param>
/// <param name="Tried">Counters tried so far; 2 to the power of <paramref name="Bits"/> are needed in the mean.</param>
public readonly record struct WorkProgress(int Bits, long Tried);

/// <summary>Does the work that a gateway asks for before it takes a request: up to a bound, off the caller's thread, and not longer than the caller waits.</summary>
/// <param name="maxBits">The most zero bits.</param>
/// <param name="progress">Told about every quarter of a second.</param>
public sealed class WorkSolver(int maxBits, IProgress<WorkProgress>? progress)
{
    /// <summary>About ten milliseconds: as soon as that it ends when nobody waits any more.</summary>
    private const int TriesAtATime = 1 << 15;

    private const long TriesPerReport = 1 << 20;

    /// <returns>The value of <c>Tacit-Work</c>.</returns>
    /// <exception cref="ClientException"><see cref="ClientError.WorkRefused"/>: it asks for more than this client does.</exception>
    public Task<string> SolveAsync(WorkAnnouncement work, string path, ReadOnlyMemory<byte> body, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(work);
        byte[] digest = new byte[WorkStamp.DigestSizeInBytes];
        WorkStamp.DigestOf(Encoding.ASCII.GetBytes(path), body.Span, digest);
        return SolveAsync(work, digest, cancellationToken);
    }

    /// <inheritdoc cref="SolveAsync(WorkAnnouncement, string, ReadOnlyMemory{byte}, CancellationToken)"/>
    /// <param name="digest">Of the request, 32 bytes.</param>
    public Task<string> SolveAsync(WorkAnnouncement work, byte[] digest, CancellationToken cancellationToken)
    {
        Check(work);
        return Task.Run(() => Solve(work, digest, cancellationToken), cancellationToken);
    }

    /// <summary>The same on the caller's thread, for one that has nothing else to do.</summary>
    /// <inheritdoc cref="SolveAsync(WorkAnnouncement, byte[], CancellationToken)"/>
    public string Solve(WorkAnnouncement work, ReadOnlySpan<byte> digest, CancellationToken cancellationToken)
    {
        Check(work);
        // From anywhere: two requests with one body would else find the same stamp, and the second be refused.
        var stamp = new WorkStamp(work.Challenge.Span, BinaryPrimitives.ReadUInt64LittleEndian(RandomNumberGenerator.GetBytes(sizeof(ulong))));
        long tried = 0;
        while (!stamp.TrySolve(digest, work.Bits, TriesAtATime, out stamp))
        {
            cancellationToken.ThrowIfCancellationRequested();
            tried += TriesAtATime;
            if (tried % TriesPerReport == 0)
            {
                progress?.Report(new WorkProgress(work.Bits, tried));
            }
        }
        return stamp.ToString();
    }

    private void Check(WorkAnnouncement work)
    {
        ArgumentNullException.ThrowIfNull(work);
        if (work.Bits > maxBits)
        {
            throw new ClientException(
                ClientError.WorkRefused, $"The gateway asks for {work.Bits} bits of work, this client does at most {maxBits}. Try again when the gateway is less busy.", ErrorCodes.WorkRequired);
        }
    }
}
