using System.Diagnostics.CodeAnalysis;
using Microsoft.AspNetCore.Http;

namespace Tacit.Issuer.Payments.Providers;

/// <summary>A company that takes money. It learns a random reference and a price; never the account key.</summary>
internal interface IPaymentProvider : IDisposable
{
    /// <summary>As in <c>/webhooks/{name}</c> and in a checkout request.</summary>
    string Name { get; }

    /// <summary>What a checkout for this pack is later compared with.</summary>
    SoldItem Offer(CreditPack pack);

    /// <summary>Makes a page on which the pack can be paid.</summary>
    /// <exception cref="PaymentProviderException">The provider does not answer, or refuses.</exception>
    Task<Uri> CreateCheckoutAsync(CreditPack pack, string reference, CancellationToken cancellationToken);

    /// <summary>Whether these bytes come from the provider, signed not long ago.</summary>
    bool IsAuthentic(IHeaderDictionary headers, ReadOnlySpan<byte> body, DateTimeOffset now);

    /// <summary>Reads a body that is authentic.</summary>
    bool TryRead(ReadOnlySpan<byte> body, [NotNullWhen(true)] out PaymentNotice? notice);
}

/// <summary>The provider could not make a checkout; nothing was paid.</summary>
internal sealed class PaymentProviderException(string message, Exception? inner = null) : Exception(message, inner);
