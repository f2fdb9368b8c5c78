using Microsoft.AspNetCore.Http;
using Tacit.Protocol;

namespace Tacit.Gateway.Sealing;

/// <summary>The headers of an inner response as fields of a message: without those that speak of a connection (RFC 9110, section 7.6.1).</summary>
internal static class InnerFields
{
    public static List<BinaryHttpField> Of(IHeaderDictionary headers)
    {
        List<BinaryHttpField> fields = new(headers.Count);
        foreach ((string name, Microsoft.Extensions.Primitives.StringValues values) in headers)
        {
            if (InnerRequest.IsOfConnection(name))
            {
                continue;
            }

            foreach (string? value in values)
            {
                fields.Add(new BinaryHttpField(name, value?.Trim() ?? ""));
            }
        }

        return fields;
    }
}
