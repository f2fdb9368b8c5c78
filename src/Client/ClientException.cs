namespace Tacit.Client;

/// <summary>What went wrong, by what the caller can do about it.</summary>
public enum ClientError
{
    /// <summary>A setting is out of range or missing.</summary>
    InvalidSetting,

    /// <summary>There is no wallet in the data directory yet.</summary>
    WalletMissing,

    /// <summary>There is a wallet already; it is never overwritten.</summary>
    WalletExists,

    /// <summary>The seed file is missing, damaged, or belongs to another wallet than the database.</summary>
    SeedUnusable,

    /// <summary>There is no account yet, or the issuer does not know it (an account begins with its first credit).</summary>
    AccountMissing,

    /// <summary>The wallet has an account already.</summary>
    AccountExists,

    /// <summary>The account has too few credits.</summary>
    InsufficientCredits,

    /// <summary>The issuer does not take this voucher: mistyped, used by somebody else, or expired.</summary>
    VoucherRefused,

    /// <summary>The issuer refused the request; the message says why.</summary>
    IssuerRefused,

    /// <summary>The issuer could not be reached, or broke off. Repeating is safe.</summary>
    IssuerUnreachable,

    /// <summary>The issuer answered something that is no valid answer.</summary>
    IssuerMisbehaved,

    /// <summary>No copy of the issuer's directory is at hand and none could be fetched.</summary>
    DirectoryUnavailable,

    /// <summary>No directory key is pinned, and trust on first use was not asked for.</summary>
    DirectoryNotPinned,

    /// <summary>The directory's signature, number or hash chain does not fit what is pinned or stored: somebody shows this client keys of its own.</summary>
    DirectoryRefused,

    /// <summary>Nothing can be sealed to the gateway now; the message says why.</summary>
    SealingKeyUnavailable,

    /// <summary>No plan that the issuer offers now fits: unknown plan, or no live key for it.</summary>
    PlanUnavailable,

    /// <summary>No plan buys this model.</summary>
    ModelNotFound,

    /// <summary>The wallet holds no token for this request, and could not or may not get one now.</summary>
    WalletEmpty,

    /// <summary>Every chain of the subscription is in use, and the request waited long enough. Repeating helps.</summary>
    SubscriptionBusy,

    /// <summary>All chains of the subscription's period were started before, from this account.</summary>
    SubscriptionUsed,

    /// <summary>The conversation no longer fits its plan, and the settings say to ask before a larger one is used; the message names it.</summary>
    PlanOutgrown,

    /// <summary>The backup cannot be read: another passphrase, damaged, or no backup at all.</summary>
    BackupUnusable,

    /// <summary>The gateway asks for a pseudonym, which links requests to each other, and the user has not allowed that.</summary>
    PseudonymRefused,

    /// <summary>The pseudonym that the gateway asks for was not fetched yet; the message says how.</summary>
    PseudonymMissing,

    /// <summary>The gateway takes nothing more with the wallet's pseudonym; the message gives its reason.</summary>
    PseudonymBanned,

    /// <summary>The caller's request is malformed.</summary>
    InvalidRequest,

    /// <summary>The request is larger than any plan for its model allows.</summary>
    RequestTooLarge,

    /// <summary>The gateway could not be reached. The token was not shown, or stays with its conversation.</summary>
    GatewayUnreachable,

    /// <summary>The gateway asked for another challenge than the directory says. Nothing was spent knowingly; the request is not repeated.</summary>
    ChallengeRefused,

    /// <summary>The gateway says that the token was spent before, and keeps no reply for it.</summary>
    TokenSpent,

    /// <summary>The request was only to be taken up again, and there is nothing to take up: it ended, or was never sent.</summary>
    NothingPending,

    /// <summary>The reply broke off. The same request, repeated soon, gets the rest without a new token.</summary>
    ReplyInterrupted,

    /// <summary>The wallet's own records contradict each other; the message says which.</summary>
    JournalCorrupt,

    /// <summary>The gateway asks for more work than this client does for a request.</summary>
    WorkRefused,

    /// <summary>There is no device key in the data directory yet.</summary>
    DeviceMissing,

    /// <summary>There is a device key already; it is never overwritten.</summary>
    DeviceExists,

    /// <summary>The device key's file is damaged, or cannot be read.</summary>
    DeviceUnusable,

    /// <summary>The gateway does not take this device; the message says why.</summary>
    DeviceRefused,

    /// <summary>Tor is to be used and is not ready; it may be soon. Nothing was sent, and nothing is sent without it.</summary>
    TorUnavailable,

    /// <summary>Tor is to be used and cannot be: not installed, too old, or set up wrongly. The message says what to do; repeating does not help.</summary>
    TorUnusable,

    /// <summary>The settings do not allow to connect to this address: over an exit of Tor, or without Tor at all.</summary>
    AddressRefused,

    /// <summary>The client is shutting down.</summary>
    ShuttingDown,
}

/// <summary>The one error of this project. The message is for people and holds no secret and nothing of a prompt.</summary>
public sealed class ClientException : Exception
{
    internal ClientException(ClientError error, string message, string? code = null, string? param = null, Exception? inner = null)
        : base(message, inner)
    {
        Error = error;
        Code = code;
        Param = param;
    }

    public ClientError Error { get; }

    /// <summary>Whether it came before a connection could be made: nothing was sent.</summary>
    internal bool IsOfCarrier => Error is ClientError.TorUnavailable or ClientError.TorUnusable or ClientError.AddressRefused;

    /// <summary>The code of an OpenAI-shaped error, where a more exact one than <see cref="Error"/> is known.</summary>
    public string? Code { get; }

    /// <summary>The member of the request that is at fault, if one is.</summary>
    public string? Param { get; }
}
