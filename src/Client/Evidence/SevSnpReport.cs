using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;

namespace Tacit.Client.Evidence;

/// <summary>
/// An attestation report of AMD SEV-SNP (AMD publication 56860, revision 1.55 and later, "ATTESTATION_REPORT Structure"): what the secure processor says of the guest that
/// asked. Only fields that something is decided by are read.
/// </summary>
internal sealed class SevSnpReport
{
    /// <summary>1184 bytes.</summary>
    public const int SizeInBytes = 0x4A0;

    public const int ReportDataSizeInBytes = 64;
    public const int MeasurementSizeInBytes = 48;
    public const int ChipIdSizeInBytes = 64;

    private const int SignedSize = 0x2A0;
    private const int ComponentSize = 72;
    private const int FieldSize = 48;
    private const uint EcdsaP384Sha384 = 1;

    private readonly byte[] _bytes;

    private SevSnpReport(byte[] bytes)
    {
        _bytes = bytes;
    }

    // The host chooses it at launch; it is no part of the measurement.
    private ulong Policy => BinaryPrimitives.ReadUInt64LittleEndian(_bytes.AsSpan(0x08));

    public uint Version => BinaryPrimitives.ReadUInt32LittleEndian(_bytes);

    /// <summary>Whether the host may read the guest's memory for debugging: policy bit 19.</summary>
    public bool AllowsDebugging => (Policy & (1UL << 19)) != 0;

    /// <summary>Whether the host may give the guest a migration agent, a program of the host's choice that the secure processor hands the guest's memory: policy bit 18.</summary>
    public bool AllowsMigration => (Policy & (1UL << 18)) != 0;

    /// <summary>0 for a key of this very chip (VCEK), 1 for one that a cloud provider loaded (VLEK), 7 for none.</summary>
    public uint SigningKey => (BinaryPrimitives.ReadUInt32LittleEndian(_bytes.AsSpan(0x48)) >> 2) & 7;

    /// <summary>64 bytes that the guest chose.</summary>
    public ReadOnlySpan<byte> ReportData => _bytes.AsSpan(0x50, ReportDataSizeInBytes);

    /// <summary>SHA-384 over what the guest was started with.</summary>
    public ReadOnlySpan<byte> Measurement => _bytes.AsSpan(0x90, MeasurementSizeInBytes);

    /// <summary>Security versions that the key was derived for: boot loader in byte 0, operating system of the secure processor in 1, SNP firmware in 6, microcode in 7.</summary>
    public ReadOnlySpan<byte> ReportedTcb => _bytes.AsSpan(0x180, 8);

    public ReadOnlySpan<byte> ChipId => _bytes.AsSpan(0x1A0, ChipIdSizeInBytes);

    /// <summary>What the signature covers.</summary>
    public ReadOnlySpan<byte> SignedBytes => _bytes.AsSpan(0, SignedSize);

    /// <summary>Reads a report of exactly <see cref="SizeInBytes"/>, of version 2 or later, signed by ECDSA with P-384 and SHA-384.</summary>
    public static bool TryParse(ReadOnlySpan<byte> bytes, [NotNullWhen(true)] out SevSnpReport? report)
    {
        report = null;
        if (bytes.Length != SizeInBytes)
        {
            return false;
        }

        var read = new SevSnpReport(bytes.ToArray());
        if (read.Version is < 2 or > 16 || BinaryPrimitives.ReadUInt32LittleEndian(bytes[0x34..]) != EcdsaP384Sha384 || !read.TryReadSignature(new byte[2 * FieldSize]))
        {
            return false;
        }

        report = read;
        return true;
    }

    /// <summary>Writes R and S as two big-endian numbers of 48 bytes each (IEEE P1363); the report has them as little-endian ones of 72.</summary>
    public bool TryReadSignature(Span<byte> signature)
    {
        for (int part = 0; part < 2; part++)
        {
            ReadOnlySpan<byte> component = _bytes.AsSpan(SignedSize + (part * ComponentSize), ComponentSize);
            if (component[FieldSize..].ContainsAnyExcept((byte)0))
            {
                return false;
            }

            component[..FieldSize].CopyTo(signature.Slice(part * FieldSize, FieldSize));
            signature.Slice(part * FieldSize, FieldSize).Reverse();
        }

        return true;
    }
}
