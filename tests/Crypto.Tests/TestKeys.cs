using Tacit.Crypto.Interop;
using Tacit.Crypto.Rsa;

namespace Tacit.Crypto.Tests;

/// <summary>Published keys, typed in so that most tests need no files.</summary>
internal static class TestKeys
{
    /// <summary>Safe primes of the one key in draft-irtf-cfrg-partially-blind-rsa, Test Vectors.</summary>
    internal const string SafeP =
        "dcd90af1be463632c0d5ea555256a20605af3db667475e190e3af12a34a3324c46a3094062c59fb4b249e0ee6afba8bee14e0276d126c99f" +
        "4784b23009bf6168ff628ac1486e5ae8e23ce4d362889de4df63109cbd90ef93db5ae64372bfe1c55f832766f21e94ea3322eb2182f10a89" +
        "1546536ba907ad74b8d72469bea396f3";

    internal const string SafeQ =
        "f8ba5c89bd068f57234a3cf54a1c89d5b4cd0194f2633ca7c60b91a795a56fa8c8686c0e37b1c4498b851e3420d08bea29f71d195cfbd367" +
        "1c6ddc49cf4c1db5b478231ea9d91377ffa98fe95685fca20ba4623212b2f2def4da5b281ed0100b651f6db32112e4017d831c0da668768a" +
        "fa7141d45bbc279f1e0f8735d74395b3";

    /// <summary>Primes of the 4096-bit key in RFC 9474 Appendix A.</summary>
    internal const string Rfc9474P =
        "e1f4d7a34802e27c7392a3cea32a262a34dc3691bd87f3f310dc75673488930559c120fd0410194fb8a0da55bd0b81227e843fdca6692ae8" +
        "0e5a5d414116d4803fca7d8c30eaaae57e44a1816ebb5c5b0606c536246c7f11985d731684150b63c9a3ad9e41b04c0b5b27cb188a692c84" +
        "696b742a80d3cd00ab891f2457443dadfeba6d6daf108602be26d7071803c67105a5426838e6889d77e8474b29244cefaf418e381b312048" +
        "b457d73419213063c60ee7b0d81820165864fef93523c9635c22210956e53a8d96322493ffc58d845368e2416e078e5bcb5d2fd68ae6acfa" +
        "54f9627c42e84a9d3f2774017e32ebca06308a12ecc290c7cd1156dcccfb2311";

    internal const string Rfc9474Q =
        "c601a9caea66dc3835827b539db9df6f6f5ae77244692780cd334a006ab353c806426b60718c05245650821d39445d3ab591ed10a7339f15" +
        "d83fe13f6a3dfb20b9452c6a9b42eaa62a68c970df3cadb2139f804ad8223d56108dfde30ba7d367e9b0a7a80c4fdba2fd9dde6661fc73fc" +
        "2947569d2029f2870fc02d8325acf28c9afa19ecf962daa7916e21afad09eb62fe9f1cf91b77dc879b7974b490d3ebd2e95426057f35d0a3" +
        "c9f45f79ac727ab81a519a8b9285932d9b2e5ccd347e59f3f32ad9ca359115e7da008ab7406707bd0e8e185a5ed8758b5ba266e8828f8d86" +
        "3ae133846304a2936ad7bc7c9803879d2fc4a28e69291d73dbd799f8bc238385";

    /// <summary>skS of RFC 9578 Appendix A.2, first vector: PKCS#8 with rsaEncryption, 2048 bits.</summary>
    internal const string Rfc9578Pkcs8 =
        "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQDLGu1rapX1sc4BOkz8qyW5Sy5kojA05CUKfqtDwN86jBKZOvErERkI1LRxvsMd" +
        "S2ya2c3akGEqLukDUj5t5aIk1rAvCeXDdNDP4B2PUpxQCnii9nkI+mgrWitDDIHq8a9y17XnlPyYoxOSdoeXV85FO1Ju+b9s65mXm4QjuQ9EYaIq" +
        "83qrDPVzP3WXq+RNMccy22ihgcbLvmB9jA5S4GVf2ZltxYTsoL6Hr7zXijN9F7Hbqegou9geKRMXFE5/+J9VYZcJsJbLuepHTOrSZMIHP+SXQMAf" +
        "AOEJEGBmmD0h5fg/CG4ugjyHnNQ873ANKjUqm6vWEtA8rQLbE0t+IlpfAgMBAAECggEALzCbdzi1jPd58MkV+CLfyfSQ2+rfHnrfrFeP/VcDxrui" +
        "2p1aSXJYibe6ES+Mb/MFUdlHPgALw1xQ4Werf6c6DCshllxLWSV8GsBsvc8o6GP2cY6owpBDwcbahGKUkP0Ekb9S0XLJWcGSG5aUnHJXR7inx4cZ" +
        "lfoLnrEQe6hUxsMqb0dHxdHDBMdGfVWwgKojOjpS/98mEUy7VB/6a2lreglvjc/2nKCKtY77D7dTqlGFxzABaWu86MCZ4/Q13Lv+BefbqtI9sqZZ" +
        "wjrdUhQH8VCxry2QVMQWQinWhAt6MqT4SBSTrolZzwrqje8MPJ91uaNMdXGLcHLI26sXzv7KSQKBgQDvcwsPUUvA9Z2ZX9X5mIxMTBNdEFzVbUPu" +
        "KKA1yWn1UMDNcUjqh+ze/7k3yFxkh0QF31bq60eL90GISiAO5KOWM9EKo+xAQ2baK1MfOY1G+8jzBXUpBs94k53S88yXmK6nydgv70BJ8Zh5fkUq" +
        "W20oSbhkhjRdSzH2kRGirg+USwKBgQDZJMnry2Exa/3Eq7PbosxAPMiYnk5JAPSGy2z0Z7TUb+uHQO/+xPM7nC0uyLIMD9laTMHwn6s7/LbGoEP1" +
        "WRgpoYH/B14k/Rn6fuwRN62Io9tc9+ACLtUB7vtGay3+gRwYtSC2b5ed8lIiegtTkea0h0uDSRxAtVs3n5kya2Q9vQKBgFJuFzOZt+tgYnWnQUEg" +
        "W8P0OIJEHME4UTdOcwCxKrHRr93JjuF2E3wdKoTii7PrwOYIoaJThpjPcJbbdbfKy+nsQp1YGv9wdJrMaVwJcvIpwV6v1UpfVtLadm1lklvpqs6G" +
        "NM8jnM0Xx3ajmmnfeW9yGXE5phMrzLJl9F09cI2LAoGBANXvugVXrp2bsT1okd6uSaBsgpJjPewNRd3cZK9z0aSP1DTA1PNkpeQwHg/+6fSaVOHz" +
        "yAxDs9h5RrbxRaNfsT+rAUH7x1SYDVVQYVMhURbToZe6G/jqnTC3fNfHV1xtZfot0loMHgwep6+SIMCoee2ZctuZV32lcIaf9rbHOc7dAoGAeQ8k" +
        "8SILNG6DOA31TE5Pm01AJIYw7AlR3uo/RNaC+xYdPU3TskuALxxiDR/WsLEQBCjkFWmmJAWnQUDtbnYNScwR8G2J6FnrECtbtys73WAVGooFZncm" +
        "PLP8lxLyblSBDELyaZv/bAsPlMO9bD5cJ+NSBaa+oiLl1wmCa5MCflc=";

    /// <summary>pkS of the same vector.</summary>
    internal const string Rfc9578Spki =
        "30820152303d06092a864886f70d01010a3030a00d300b0609608648016503040202a11a301806092a864886f70d010108300b0609608648" +
        "016503040202a2030201300382010f003082010a0282010100cb1aed6b6a95f5b1ce013a4cfcab25b94b2e64a23034e4250a7eab43c0df3a" +
        "8c12993af12b111908d4b471bec31d4b6c9ad9cdda90612a2ee903523e6de5a224d6b02f09e5c374d0cfe01d8f529c500a78a2f67908fa68" +
        "2b5a2b430c81eaf1af72d7b5e794fc98a3139276879757ce453b526ef9bf6ceb99979b8423b90f4461a22af37aab0cf5733f7597abe44d31" +
        "c732db68a181c6cbbe607d8c0e52e0655fd9996dc584eca0be87afbcd78a337d17b1dba9e828bbd81e291317144e7ff89f55619709b096cb" +
        "b9ea474cead264c2073fe49740c01f00e109106066983d21e5f83f086e2e823c879cd43cef700d2a352a9babd612d03cad02db134b7e225a" +
        "5f0203010001";

    internal static byte[] Hex(string hex) => Convert.FromHexString(hex);

    internal static CrtModulus Modulus(string p, string q)
    {
        using RsaPrivateNumbers.Numbers numbers = new();
        return new CrtModulus(numbers.Read(Hex(p)), numbers.Read(Hex(q)));
    }

    /// <summary>An ordinary key with e = 65537 from any two primes.</summary>
    internal static BlindRsaPrivateKey FromPrimes(string p, string q) =>
        BlindRsaPrivateKey.FromModulus(Modulus(p, q), RsaKeyGeneration.PublicExponent);

    // Put together without the checks of an import, which are nine tenths of its time and have tests of their own.
    internal static BlindRsaPrivateKey Rfc9578()
    {
        Assert.True(RsaKeyEncoding.TryReadPkcs8(Convert.FromBase64String(Rfc9578Pkcs8), out RsaKeyEncoding.PrivateNumbers key));
        return FromPrimes(Convert.ToHexString(key.P), Convert.ToHexString(key.Q));
    }

    internal static PartiallyBlindRsaPrivateKey SafePrimeKey() =>
        PartiallyBlindRsaPrivateKey.FromModulus(Modulus(SafeP, SafeQ), RsaKeyGeneration.PublicExponent);
}
