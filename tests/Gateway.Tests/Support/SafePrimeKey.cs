using Tacit.Crypto;

namespace Tacit.Gateway.Tests.Support;

/// <summary>A published key of the kind that takes half a minute to make.</summary>
internal static class SafePrimeKey
{
    /// <summary>skS of the 0xDA7A issuance vectors of cloudflare/privacypass-ts: PKCS#8, 2048 bits.</summary>
    private const string Pkcs8 =
        "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQDWkwgg9x/lF78yWdFNQCCbAqXA09YZkccx3X2jn41pghVS4jGNbJrYl+YDiHpHbqMWLBIF" +
        "2prJbwLt8x3wSb1V8UITTBfUOCoOeOJ1NF8WX76OSc3KbPXHJsWZ3TngnnXg8zCjMSHnOXbk+supz6ABwot8lvgTT5mB22dQtDpBcQ9R2kJA/gMQbBKssee7" +
        "U9dexyVto/3dBxi4nDZUEPzmG8fJmxFftMPDGAgfp+G2Wjd3To5QyW6M4rLMazs2eYI2aiv5kkxLr9s/9eciJYq3BcdtQ+Xx8SG5hIFOmOorK4clzZvJBcC8" +
        "PXXCqNtwpxUyE8Oa43Gytdwdr8sZ1vrpAgMBAAECggEATiE1aYNyKqGt7bCEpINAHBEnt4GqyJ6rED4c/FIhVJSYHRjdgChWbZ1JlGnCVHY1jeI4IceKauQw" +
        "BeJrOU4wUbXKIGqplo1oyuI7Wv/Zy7TLFtZKx3VLPNuiQbcq1t38AA+s2w8N0Dq9Tvz+4XMHSPzEe3YhGC74ry7rfJhTSfYs6Wqzc9Jom66uoOKOp9RfLWBU" +
        "UZIMpOofDAiw8fZxHqpLfMpm1YprkW+ZhUgPkKypchBoWsexLS7D4woce5e2WhjTipMYkliqNGvyvFcs1+c1lgXCAiG4kJ1ZntnTgWTJxKvzlviXuZk8HoBe" +
        "V01wRkmYW2APoM7Y5UJwcdcEnQKBgQDc2QrxvkY2MsDV6lVSVqIGBa89tmdHXhkOOvEqNKMyTEajCUBixZ+0skng7mr7qL7hTgJ20SbJn0eEsjAJv2Fo/2KK" +
        "wUhuWujiPOTTYoid5N9jEJy9kO+T21rmQ3K/4cVfgydm8h6U6jMi6yGC8QqJFUZTa6kHrXS41yRpvqOW8wKBgQD4ulyJvQaPVyNKPPVKHInVtM0BlPJjPKfG" +
        "C5GnlaVvqMhobA43scRJi4UeNCDQi+op9x0ZXPvTZxxt3EnPTB21tHgjHqnZE3f/qY/pVoX8ogukYjISsvLe9NpbKB7QEAtlH22zIRLkAX2DHA2maHaK+nFB" +
        "1Fu8J58eD4c110OVswKBgQCJjJzmZ+3u/7lfAm5VtCOBwLSeqSa2KoNMe6WM9e/W+e7cyHxTiGap8olVEOmNCFKqnR2nxyhzV0MCAMEusQYIkVdcuHlWUkTN" +
        "88NJbQtN3CjN2KDm6Ihu/KYm2Ed1/zYhANzfn1kwwpVK4Euk9F/tdVSxzFIguAYEweqp+dSFxQKBgCbIkGNd2ScCtFsAFFNhDdEH5yuG+SCmNZb4+NZDzE8T" +
        "52P47WKb0nqRScmC4VcDahjvEleBGzdEjbdHsS6ktME/ibgYMO3LTlvMKcd9mVjiP6R7N0mZI6vGTEIIiH1y8wPqmaVj09k/rj2CY1J+WXWkRYK5RTCakQIT" +
        "88ZecYhnAoGAV7taNK7zY+fIcEUweamoRD21d4A00i/ruZs1Vo0xF0MjFi/qYde5b5g9FcRhzJhkPQW5Uh6q20s4/jAUitY6NWKnDvPhd5q9sodrNmHAR9X/" +
        "s9ocGynxNtUKFzHEurAvZCcnf/ucrOLhi0/SpxHWVUOVEEegermSOXykJn2wYuc=";

    public static PartiallyBlindRsaPrivateKey Import() => PartiallyBlindRsaPrivateKey.ImportPkcs8(Convert.FromBase64String(Pkcs8));
}
