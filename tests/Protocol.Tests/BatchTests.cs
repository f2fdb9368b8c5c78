using System.Text.Json;
using Tacit.Crypto;
using Tacit.Fuzz;

namespace Tacit.Protocol.Tests;

public sealed class BatchTests
{
    // Ne and Ns of token type 0x0001 (RFC 9578, section 5): P-384 elements and scalars.
    private const int Ne = 49;
    private const int Ns = 48;

    [Fact]
    public void Published_batches_of_blind_RSA_replay()
    {
        int replayed = 0;
        foreach (JsonElement vector in Vectors.Read("batched_draft07_generic.json").Where(vector => Types(vector).All(type => type == "0002")))
        {
            Assert.True(GenericBatchRequest.TryParse(vector.Hex("token_request"), out GenericBatchRequest? request));
            Assert.True(GenericBatchResponse.TryParse(vector.Hex("token_response"), out GenericBatchResponse? response));
            Assert.Equal(vector.Hex("token_request"), GenericBatchRequest.Create(request.Requests).Encode());
            Assert.Equal(vector.Hex("token_response"), GenericBatchResponse.Create(response.Responses).Encode());
            Assert.True(response.Answers(request));
            JsonElement[] issuances = [.. vector.GetProperty("issuance").EnumerateArray()];
            Assert.Equal(issuances.Length, request.Requests.Count);
            foreach ((JsonElement issuance, int i) in issuances.Select((issuance, i) => (issuance, i)))
            {
                CheckIssuance(issuance, request.Requests[i], response.Responses[i]);
            }

            replayed++;
        }

        Assert.Equal(2, replayed);
    }

    [Fact]
    public void Published_batches_with_a_type_not_issued_here_are_framed_as_ours_and_refused_by_type()
    {
        int checkedBatches = 0;
        foreach (JsonElement vector in Vectors.Read("batched_draft07_generic.json").Where(vector => Types(vector).Contains("0001")))
        {
            CheckRequestFraming(vector.Hex("token_request"), Types(vector));
            CheckResponseFraming(vector.Hex("token_response"), Types(vector));
            Assert.False(GenericBatchRequest.TryParse(vector.Hex("token_request"), out _, out BatchFault fault));
            Assert.Equal(BatchFault.UnsupportedType, fault);
            Assert.False(GenericBatchResponse.TryParse(vector.Hex("token_response"), out _));
            checkedBatches++;
        }

        Assert.Equal(3, checkedBatches);
    }

    [Fact]
    public void Batch_of_a_thousand_is_read_and_one_more_is_too_large()
    {
        TokenRequest[] requests = [.. Enumerable.Range(0, GenericBatchRequest.MaxRequests).Select(Numbered)];
        byte[] encoded = GenericBatchRequest.Create(requests).Encode();

        Assert.True(GenericBatchRequest.TryParse(encoded, out GenericBatchRequest? batch));
        Assert.Equal(requests.Length, batch.Requests.Count);
        Assert.Equal([0x80, 0x03, 0xf3, 0xb8], encoded.Take(4));

        byte[] larger = [0x80, 0x03, 0xf4, 0xbb, .. encoded[4..], .. Numbered(1000).Encode()];
        Assert.False(GenericBatchRequest.TryParse(larger, out _, out BatchFault fault));
        Assert.Equal(BatchFault.TooLarge, fault);
    }

    [Fact]
    public void Batch_with_one_blinded_message_twice_is_refused()
    {
        byte[] one = Numbered(1).Encode();
        byte[] sameMessageOtherKey = [.. one[..2], 9, .. one[3..]];

        Assert.False(GenericBatchRequest.TryParse([0x42, 0x06, .. one, .. one], out _, out BatchFault same));
        Assert.False(GenericBatchRequest.TryParse([0x42, 0x06, .. one, .. sameMessageOtherKey], out _, out BatchFault otherKey));

        Assert.Equal((BatchFault.RepeatedMessage, BatchFault.RepeatedMessage), (same, otherKey));
    }

    [Theory]
    [InlineData("")]
    [InlineData("00")]
    [InlineData("01")]
    [InlineData("4000")]
    [InlineData("80000000")]
    [InlineData("c000000000000000")]
    [InlineData("bfffffff")]
    public void Batch_without_content_or_with_a_length_not_in_shortest_form_is_refused(string hex)
    {
        byte[] encoded = Convert.FromHexString(hex);

        Assert.False(GenericBatchRequest.TryParse(encoded, out _));
        Assert.False(GenericBatchResponse.TryParse(encoded, out _));
    }

    [Fact]
    public void Batch_of_extended_requests_keeps_each_requests_extensions()
    {
        TokenRequest[] requests = [Samples.Request(TokenType.PartiallyBlindRsa, 1), Samples.Request(TokenType.BlindRsa, 2), Samples.Request(TokenType.PartiallyBlindRsa, 3)];

        Assert.True(GenericBatchRequest.TryParse(GenericBatchRequest.Create(requests).Encode(), out GenericBatchRequest? batch));

        Assert.Equal(requests.Select(request => request.Encode()), batch.Requests.Select(request => request.Encode()));
        Assert.Equal(Samples.Metadata, batch.Requests[2].Extensions.ToArray());
    }

    [Fact]
    public void Response_of_another_count_or_type_does_not_answer()
    {
        GenericBatchRequest request = GenericBatchRequest.Create([Numbered(1), Numbered(2)]);
        BatchTokenResponse plain = new(TokenType.BlindRsa, Samples.Filled(256, 1));
        BatchTokenResponse extended = new(TokenType.PartiallyBlindRsa, Samples.Filled(256, 1));

        Assert.True(GenericBatchResponse.Create([plain, null]).Answers(request));
        Assert.False(GenericBatchResponse.Create([plain]).Answers(request));
        Assert.False(GenericBatchResponse.Create([plain, extended]).Answers(request));
    }

    [Theory]
    [InlineData("0002" + "05", false)]
    [InlineData("0001" + "05", false)]
    [InlineData("da7a" + "05", false)]
    public void Request_of_another_type_or_size_is_refused(string head, bool taken)
    {
        byte[] tooShort = [.. Convert.FromHexString(head), .. new byte[255]];
        Assert.Equal(taken, TokenRequest.TryParse(tooShort, out _));
        byte[] withoutExtensions = [.. Convert.FromHexString("da7a05"), .. new byte[256]];
        Assert.Equal(taken, TokenRequest.TryParse(withoutExtensions, out _));
        byte[] withExtensions = [.. Convert.FromHexString("000205"), .. new byte[256], 0, 0];
        Assert.Equal(taken, TokenRequest.TryParse(withExtensions, out _));
    }

    private static TokenRequest Numbered(int number)
    {
        byte[] message = new byte[TokenRequest.BlindedMessageSizeInBytes];
        BitConverter.TryWriteBytes(message.AsSpan(100), number);
        return TokenRequest.Create(TokenType.BlindRsa, 1, message);
    }

    private static string[] Types(JsonElement vector) =>
        [.. vector.GetProperty("issuance").EnumerateArray().Select(issuance => issuance.Text("type"))];

    private static void CheckIssuance(JsonElement issuance, TokenRequest request, BatchTokenResponse? response)
    {
        Assert.True(TokenPublicKey.TryImport(TokenType.BlindRsa, issuance.Hex("pkS"), [], out TokenPublicKey? key));
        using (key)
        {
            Assert.Equal(key.TruncatedKeyId, request.TruncatedKeyId);
            Assert.True(Token.TryParse(issuance.Hex("token"), out Token? token));
            Assert.True(key.Verify(token));
        }

        string pem = System.Text.Encoding.ASCII.GetString(issuance.Hex("skS"));
        using BlindRsaPrivateKey signer = BlindRsaPrivateKey.ImportPkcs8(
            Convert.FromBase64String(pem[System.Security.Cryptography.PemEncoding.Find(pem).Base64Data]));
        byte[] signature = new byte[TokenResponse.SizeInBytes];
        Assert.Equal(BlindSignStatus.Success, signer.BlindSign(request.BlindedMessage.Span, signature));
        Assert.Equal(signature, response!.BlindSignature.ToArray());
    }

    // Written out once more here, so that the framing is checked by something other than the parser under test.
    private static void CheckRequestFraming(byte[] encoded, string[] types)
    {
        int length = ((encoded[0] & 0x3f) << 8) | encoded[1];
        int at = 2;
        if (encoded[0] < 0x40)
        {
            (length, at) = (encoded[0], 1);
        }

        Assert.Equal(encoded.Length - at, length);
        foreach (string type in types)
        {
            Assert.Equal(type, Convert.ToHexStringLower(encoded.AsSpan(at, 2)));
            at += 3 + (type == "0001" ? Ne : TokenTypes.ModulusSizeInBytes);
        }

        Assert.Equal(encoded.Length, at);
    }

    private static void CheckResponseFraming(byte[] encoded, string[] types)
    {
        int at = 2;
        Assert.Equal(encoded.Length - at, ((encoded[0] & 0x3f) << 8) | encoded[1]);
        foreach (string type in types)
        {
            Assert.Equal(1, encoded[at]);
            Assert.Equal(type, Convert.ToHexStringLower(encoded.AsSpan(at + 1, 2)));
            at += 3 + (type == "0001" ? Ne + (2 * Ns) : TokenTypes.ModulusSizeInBytes);
        }

        Assert.Equal(encoded.Length, at);
    }
}
