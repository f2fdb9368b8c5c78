using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace Tacit.Bench.Gateway;

/// <summary>npm's @portkey-ai/gateway, the LLM gateway that most people would install, installed into the benchmark's folder.</summary>
internal static class Portkey
{
    internal const string Version = "1.15.2";

    /// <summary>Null, having said why, where it cannot be had.</summary>
    internal static async Task<Child?> TryStartAsync(int core, string folder, Action<string> say, CancellationToken cancellationToken)
    {
        say("installing Portkey");
        string home = Directory.CreateDirectory(Path.Combine(folder, "portkey")).FullName;
        try
        {
            using Process npm = Process.Start(new ProcessStartInfo(
                "npm", ["install", "--prefix", home, "--no-audit", "--no-fund", "--ignore-scripts", $"@portkey-ai/gateway@{Version}"])
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            })!;
            Task<string> output = npm.StandardOutput.ReadToEndAsync(cancellationToken);
            string errors = await npm.StandardError.ReadToEndAsync(cancellationToken);
            await output;
            await npm.WaitForExitAsync(cancellationToken);
            if (npm.ExitCode != 0)
            {
                say("Portkey did not install: " + errors.Split('\n')[0]);
                return null;
            }
        }
        catch (System.ComponentModel.Win32Exception)
        {
            say("no npm here: nothing to compare to");
            return null;
        }

        int port = FreePort();
        Child child = await Child.StartAsync(core, "node", [Path.Combine(home, "node_modules/@portkey-ai/gateway/build/start-server.js"), "--headless", $"--port={port}"], port);
        for (int i = 0; i < 100; i++)
        {
            try
            {
                using Socket socket = await Load.ConnectAsync(child.Address);
                return child;
            }
            catch (SocketException)
            {
                await Task.Delay(100, cancellationToken);
            }
        }

        await child.DisposeAsync();
        say("Portkey did not start");
        return null;
    }

    private static int FreePort()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }
}
