using System.Diagnostics;
using System.Security.Cryptography;
using Tacit.Protocol;

namespace Tacit.Gateway.Sealing;

/// <summary>Evidence could not be had, so that no key was made; the message says why.</summary>
internal sealed class KeyEvidenceException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>Gets the evidence for a key that was just made. A gateway that is set up to give evidence makes no key without.</summary>
internal sealed class KeyEvidenceSource(KeyEvidenceOptions options, TimeProvider time)
{
    private static readonly TimeSpan s_timeout = TimeSpan.FromSeconds(30);

    /// <exception cref="KeyEvidenceException">There is none.</exception>
    public async Task<KeyEvidence?> GetAsync(ReadOnlyMemory<byte> config, CancellationToken cancellationToken)
    {
        if (options.Format is null)
        {
            return null;
        }

        try
        {
            byte[] bytes = options.File is string path ? await ReadAsync(path, cancellationToken) : await RunAsync(config, cancellationToken);
            var evidence = new KeyEvidence(options.Format, bytes);
            return evidence.FindFault() is string fault ? throw new KeyEvidenceException($"The evidence for a sealing key cannot be used: {fault}.") : evidence;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or System.ComponentModel.Win32Exception or InvalidOperationException)
        {
            throw new KeyEvidenceException($"The evidence for a sealing key could not be had: {e.Message}", e);
        }
    }

    private static async Task<byte[]> ReadAsync(string path, CancellationToken cancellationToken)
    {
        await using FileStream file = File.OpenRead(path);
        return await ReadAsync(file, cancellationToken);
    }

    /// <summary>One byte more than may be, so that too much is seen to be too much.</summary>
    private static async Task<byte[]> ReadAsync(Stream stream, CancellationToken cancellationToken)
    {
        byte[] buffer = new byte[KeyEvidence.MaxSizeInBytes + 1];
        int read = await stream.ReadAtLeastAsync(buffer, buffer.Length, throwOnEndOfStream: false, cancellationToken);
        return buffer[..read];
    }

    private async Task<byte[]> RunAsync(ReadOnlyMemory<byte> config, CancellationToken cancellationToken)
    {
        var start = new ProcessStartInfo(options.Command[0]) { RedirectStandardOutput = true, RedirectStandardInput = true, UseShellExecute = false };
        foreach (string argument in options.Command.Skip(1).Append(Convert.ToHexStringLower(SHA512.HashData(config.Span))))
        {
            start.ArgumentList.Add(argument);
        }

        using Process process = Process.Start(start) ?? throw new KeyEvidenceException("The command for evidence did not start.");
        using var timeout = new CancellationTokenSource(s_timeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, timeout.Token);
        try
        {
            process.StandardInput.Close();
            byte[] evidence = await ReadAsync(process.StandardOutput.BaseStream, either.Token);
            if (evidence.Length <= KeyEvidence.MaxSizeInBytes)
            {
                await process.WaitForExitAsync(either.Token);
                return process.ExitCode == 0 ? evidence : throw new KeyEvidenceException($"The command for evidence ended with exit code {process.ExitCode}.");
            }

            return evidence;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new KeyEvidenceException($"The command for evidence took longer than {s_timeout.TotalSeconds} seconds.");
        }
        finally
        {
            if (!process.HasExited)
            {
                process.Kill(entireProcessTree: true);
            }
        }
    }
}
