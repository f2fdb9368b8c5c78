namespace Tacit.Hosting;

/// <summary>A server could not listen where its settings say.</summary>
public class ListenException(string setting, string endpoint, string problem, string fix, Exception? inner = null)
    : IOException($"{setting}: {problem}. {fix}", inner)
{
    /// <summary>The setting that names the address, as the user writes it.</summary>
    public string Setting { get; } = setting;

    public string Endpoint { get; } = endpoint;

    public string Fix { get; } = fix;
}

/// <summary>Another process (or another server of this one) listens there already.</summary>
public sealed class AddressInUseException(string setting, string endpoint, string fix, Exception? inner = null)
    : ListenException(setting, endpoint, $"{endpoint} is already in use", fix, inner);
