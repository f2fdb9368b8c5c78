using System.Text.Json.Serialization;

namespace Tacit.Inference;

/// <summary>What was wrong with a backend when it was last asked or looked at. For operators; callers are told less.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<BackendFault>))]
public enum BackendFault
{
    [JsonStringEnumMemberName("none")]
    None,

    /// <summary>Nobody listens there, or the network does not lead there.</summary>
    [JsonStringEnumMemberName("unreachable")]
    Unreachable,

    /// <summary>The name has no address.</summary>
    [JsonStringEnumMemberName("name_unknown")]
    NameUnknown,

    /// <summary>No connection within its budget.</summary>
    [JsonStringEnumMemberName("connect_timeout")]
    ConnectTimeout,

    /// <summary>Its certificate leads to none of the roots that are trusted for it.</summary>
    [JsonStringEnumMemberName("server_certificate_untrusted")]
    ServerCertificateUntrusted,

    /// <summary>Its certificate, or one above it, has run out or is not valid yet.</summary>
    [JsonStringEnumMemberName("server_certificate_expired")]
    ServerCertificateExpired,

    /// <summary>Its certificate is for another name.</summary>
    [JsonStringEnumMemberName("server_certificate_wrong_name")]
    ServerCertificateWrongName,

    /// <summary>It asks for a certificate of ours, and none is set.</summary>
    [JsonStringEnumMemberName("client_certificate_required")]
    ClientCertificateRequired,

    /// <summary>Our certificate has run out.</summary>
    [JsonStringEnumMemberName("client_certificate_expired")]
    ClientCertificateExpired,

    /// <summary>It hung up on our certificate before it ever answered to it.</summary>
    [JsonStringEnumMemberName("client_certificate_refused")]
    ClientCertificateRefused,

    /// <summary>No TLS with it for any other reason.</summary>
    [JsonStringEnumMemberName("tls_failed")]
    TlsFailed,

    /// <summary>The connection ended before the answer, or in the middle of it.</summary>
    [JsonStringEnumMemberName("connection_lost")]
    ConnectionLost,

    /// <summary>Nothing came in time.</summary>
    [JsonStringEnumMemberName("timeout")]
    Timeout,

    /// <summary>A status that says that it failed.</summary>
    [JsonStringEnumMemberName("status")]
    Status,

    /// <summary>What it said is no answer of its API.</summary>
    [JsonStringEnumMemberName("not_an_answer")]
    NotAnAnswer,

    /// <summary>It refuses the key.</summary>
    [JsonStringEnumMemberName("key_refused")]
    KeyRefused,

    /// <summary>It is up and its model is not yet.</summary>
    [JsonStringEnumMemberName("model_loading")]
    ModelLoading,

    /// <summary>It has none of the models that it is asked for.</summary>
    [JsonStringEnumMemberName("model_missing")]
    ModelMissing,
}
