namespace Tacit.Client;

/// <summary>
/// What became of one index of the wallet. Each change is one transaction, durable before the first byte that depends on it leaves (law 3):
/// <code>
/// reserved → requested → held → presented → spent
///     ↑ refused ┘                   │  ├─→ returned ─┐
///                                   │  └─→ unknown ──┴─→ presented (for an exchange) → spent
///                                   └─→ held (no connection: nothing left the machine)
/// </code>
/// A token that can no longer become or buy anything is void.
/// A subscription's chain is a row that is replaced by its successor's (<see cref="ChainStep"/>):
/// <code>
/// reserved → requested → held → presented, its successor requested → held, the row before gone
///                                    ├─→ refused (the gateway does not renew it)
///                                    └─→ lost (somebody else went on with it)
/// </code>
/// </summary>
internal enum TokenState
{
    /// <summary>The index is taken; nothing was sent for it.</summary>
    Reserved = 1,

    /// <summary>The blinded message may have left. It is sent again, unchanged, until it is answered.</summary>
    Requested = 2,

    /// <summary>Finished and never shown.</summary>
    Held = 3,

    /// <summary>May have left with a request or an exchange that has not ended yet.</summary>
    Presented = 4,

    Spent = 5,

    /// <summary>Shown and not spent: belongs to its conversation until it is exchanged (law 9).</summary>
    Returned = 6,

    /// <summary>
    /// Restored, or shown with no answer. A restored one has no conversation and pays for one real prompt; one that was shown has one, and is exchanged.
    /// </summary>
    Unknown = 7,

    /// <summary>Its key's grace is over, or its index was given up before it was signed.</summary>
    Void = 8,

    /// <summary>The end of a chain for its period: the gateway refuses to renew it.</summary>
    Refused = 9,

    /// <summary>The end of a chain in this wallet: another copy of it went on.</summary>
    Lost = 10,
}
