namespace Tacit.Client;

/// <summary>Why nothing can be asked yet, in words for people.</summary>
public static class SetupErrors
{
    /// <summary>The code of a request that comes before there is anything to answer it with.</summary>
    public const string SetupNeeded = "setup_needed";

    /// <param name="page">The address of the app's page.</param>
    public static ClientException NotSetUp(string page) => new(
        ClientError.WalletMissing, $"Tacit is not set up yet: there is no wallet. Open {page} in a browser, or run `tacit account create`.", SetupNeeded);

    /// <summary>A wallet is wanted where there is a device's key.</summary>
    public static ClientException HasDevice() => new(ClientError.WalletMissing, "This app has a device's key and no wallet.", "no_wallet");

    public static ClientException AlreadySetUp() => new(ClientError.WalletExists, "Tacit is set up already. What is there is never overwritten.");

    public static ClientException ShuttingDown() => new(ClientError.ShuttingDown, "The app is shutting down.");

    /// <summary>Whoever started the app has the wallet and keeps it as it is.</summary>
    public static ClientException NotOwned() => new(ClientError.InvalidSetting, "This app cannot change how its wallet is opened: whoever started it did that. Change the settings there.");
}
