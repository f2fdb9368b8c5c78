using System.Buffers;
using System.Text.Json;
using FsCheck;
using FsCheck.Fluent;
using Tacit.Crypto;
using Tacit.Fuzz;

namespace Tacit.Protocol.Tests;

public sealed class ObliviousHttpTests : IDisposable
{
    private static readonly byte[] s_request = Samples.Filled(300, 1);

    private readonly HpkePrivateKey _key = HpkePrivateKey.Generate(HpkeSuite.X25519ChaCha20Poly1305);
    private readonly ObliviousKeyConfiguration _configuration;

    public ObliviousHttpTests() => _configuration = new ObliviousKeyConfiguration
    {
        KeyId = 7,
        KemId = 0x0020,
        PublicKey = _key.PublicKey.Export(),
        Algorithms = [new(0x0001, 0x0003), new(0x0001, 0x0001)],
    };

    public void Dispose() => _key.Dispose();

    [Fact]
    public void Published_example_replays_byte_for_byte()
    {
        foreach (JsonElement vector in Vectors.Read("rfc9458_appendix_a.json", "rfc9458-ohttp"))
        {
            using HpkePrivateKey key = HpkePrivateKey.Import(HpkeSuite.X25519Aes128Gcm, vector.Hex("gateway_secret_key"));
            Assert.True(ObliviousKeyConfiguration.TryParse(vector.Hex("key_config"), out ObliviousKeyConfiguration? configuration));
            Assert.Equal(vector.Hex("key_config"), configuration.Encode());
            using ObliviousClientExchange client = Replay(configuration, vector, isChunked: false);
            byte[] request = Write(to => client.SealRequest(vector.Hex("request_bhttp"), to));
            Assert.Equal(vector.Text("encapsulated_request"), Convert.ToHexStringLower(request));

            using ObliviousGatewayExchange gateway = ObliviousGatewayExchange.TryBegin(key, request, isChunked: false, out int size)!;
            Assert.Equal(vector.Hex("request_bhttp"), Write(to => Assert.True(gateway.TryOpenRequest(request.AsSpan(size), to))));
            byte[] response = Write(to => gateway.SealResponse(vector.Hex("response_bhttp"), to, vector.Hex("response_nonce")));
            Assert.Equal(vector.Text("encapsulated_response"), Convert.ToHexStringLower(response));
            Assert.Equal(vector.Hex("response_bhttp"), Write(to => Assert.True(client.TryOpenResponse(response, to))));
        }
    }

    [Fact]
    public void Published_chunked_example_replays_byte_for_byte()
    {
        foreach (JsonElement vector in Vectors.Read("chunked_ohttp_draft_example.json", "rfc9458-ohttp"))
        {
            using HpkePrivateKey key = HpkePrivateKey.Import(HpkeSuite.X25519Aes128Gcm, vector.Hex("gateway_secret_key"));
            Assert.True(ObliviousKeyConfiguration.TryParse(vector.Hex("key_config"), out ObliviousKeyConfiguration? configuration));
            using ObliviousClientExchange client = Replay(configuration, vector, isChunked: true);
            byte[][] parts = [.. vector.GetProperty("request_chunk_plaintexts").EnumerateArray().Select(part => Convert.FromHexString(part.GetString()!))];
            byte[] request = Write(to => SealAll(parts, client.SealChunk, to));
            Assert.Equal(vector.Text("encapsulated_request"), Convert.ToHexStringLower(request));

            using ObliviousGatewayExchange gateway = ObliviousGatewayExchange.TryBegin(key, request, isChunked: true, out int size)!;
            using ObliviousChunkReader reader = gateway.ReadRequest();
            Assert.Equal(vector.Hex("request_bhttp"), ReadInPieces(reader.TryRead, reader.TryEnd, request[size..], 3));

            byte[] nonce = Convert.FromHexString(vector.GetProperty("encapsulated_response_parts").Text("nonce"));
            using ObliviousResponseSealer sealer = gateway.CreateResponse(nonce);
            parts = [.. vector.GetProperty("response_chunk_plaintexts").EnumerateArray().Select(part => Convert.FromHexString(part.GetString()!))];
            byte[] response = Write(to => SealAll(parts, sealer.SealChunk, to));
            Assert.Equal(vector.Text("encapsulated_response"), Convert.ToHexStringLower(response));
            using ObliviousResponseReader answer = client.ReadResponse();
            Assert.Equal(vector.Hex("response_bhttp"), ReadInPieces(answer.TryRead, answer.TryEnd, response, 1));
        }
    }

    [Theory]
    [InlineData(0x0001)]
    [InlineData(0x0002)]
    [InlineData(0x0003)]
    public void Request_and_response_go_through_with_every_aead(ushort aead)
    {
        var configuration = new ObliviousKeyConfiguration { KeyId = 1, KemId = 0x0020, PublicKey = _key.PublicKey.Export(), Algorithms = [new(0x0001, aead)] };
        using ObliviousClientExchange client = ObliviousClientExchange.TryCreate(configuration, isChunked: false)!;
        byte[] request = Write(to => client.SealRequest(s_request, to));
        using ObliviousGatewayExchange gateway = ObliviousGatewayExchange.TryBegin(_key, request, isChunked: false, out int size)!;
        Assert.Equal(s_request, Write(to => Assert.True(gateway.TryOpenRequest(request.AsSpan(size), to))));
        byte[] response = Write(to => gateway.SealResponse("reply"u8, to));
        Assert.Equal("reply"u8.ToArray(), Write(to => Assert.True(client.TryOpenResponse(response, to))));
        Assert.NotEqual(response, Write(to => gateway.SealResponse("reply"u8, to)));
    }

    [Theory]
    [InlineData(0x0001)]
    [InlineData(0x0002)]
    [InlineData(0x0003)]
    public void Request_and_response_go_through_with_the_hybrid_kem(ushort aead)
    {
        const ushort kem = 0x647a;
        Assert.SkipUnless(HpkeSuite.TryFind(kem, 0x0001, aead, out HpkeSuite? suite), "This libcrypto has no ML-KEM (OpenSSL 3.5).");
        using HpkePrivateKey key = HpkePrivateKey.Generate(suite);
        var made = new ObliviousKeyConfiguration { KeyId = 9, KemId = kem, PublicKey = key.PublicKey.Export(), Algorithms = [new(0x0001, aead)] };
        byte[] encoded = made.Encode();
        Assert.True(ObliviousKeyConfiguration.TryParseList([(byte)(encoded.Length >> 8), (byte)(encoded.Length & 0xff), .. encoded], out IReadOnlyList<ObliviousKeyConfiguration> list));
        ObliviousKeyConfiguration configuration = Assert.Single(list);
        using ObliviousClientExchange client = ObliviousClientExchange.TryCreate(configuration, isChunked: false)!;
        byte[] request = Write(to => client.SealRequest(s_request, to));
        using ObliviousGatewayExchange gateway = ObliviousGatewayExchange.TryBegin(key, request, isChunked: false, out int size)!;
        Assert.Equal(ObliviousRequestHeader.SizeInBytes + 1120, size);
        Assert.Equal(s_request, Write(to => Assert.True(gateway.TryOpenRequest(request.AsSpan(size), to))));
        byte[] response = Write(to => gateway.SealResponse("reply"u8, to));
        Assert.Equal("reply"u8.ToArray(), Write(to => Assert.True(client.TryOpenResponse(response, to))));

        // A key id that stands for a key of the other KEM.
        Assert.Null(ObliviousGatewayExchange.TryBegin(_key, request, isChunked: false, out _));
        Assert.Null(ObliviousGatewayExchange.TryBegin(key, [9, 0x00, 0x20, 0x00, 0x01, 0x00, (byte)aead, .. request[7..]], isChunked: false, out _));
    }

    [Fact]
    public void Chunks_survive_any_sizes_and_any_cut() =>
        Property.Holds(
            from parts in Gen.ArrayOf(Property.BytesUpTo(400))
            from step in Gen.Choose(1, 900)
            select (parts, step),
            input =>
            {
                byte[][] parts = [.. input.parts.Where(part => part.Length > 0), []];
                using ObliviousClientExchange client = ObliviousClientExchange.TryCreate(_configuration, isChunked: true)!;
                byte[] request = Write(to => SealAll(parts, client.SealChunk, to));
                using ObliviousGatewayExchange gateway = ObliviousGatewayExchange.TryBegin(_key, request, isChunked: true, out int size)!;
                using ObliviousChunkReader reader = gateway.ReadRequest();
                byte[] whole = [.. parts.SelectMany(part => part)];
                Assert.Equal(whole, ReadInPieces(reader.TryRead, reader.TryEnd, request[size..], input.step));

                using ObliviousResponseSealer sealer = gateway.CreateResponse();
                byte[] response = Write(to => SealAll(parts, sealer.SealChunk, to));
                using ObliviousResponseReader answer = client.ReadResponse();
                Assert.Equal(whole, ReadInPieces(answer.TryRead, answer.TryEnd, response, input.step));
            });

    [Fact]
    public void A_streamed_response_that_was_touched_is_never_taken_for_whole()
    {
        using ObliviousClientExchange client = ObliviousClientExchange.TryCreate(_configuration, isChunked: true)!;
        byte[] request = Write(to => client.SealChunk(s_request, isFinal: true, to));
        using ObliviousGatewayExchange gateway = ObliviousGatewayExchange.TryBegin(_key, request, isChunked: true, out _)!;
        byte[][] first = Chunks(gateway, 5);
        byte[][] second = Chunks(gateway, 5);

        Assert.True(Read(client, first));
        // Cut at every byte but the last: also behind each chunk.
        byte[] whole = [.. first.SelectMany(part => part)];
        for (int length = 0; length < whole.Length; length++)
        {
            Assert.False(Read(client, [whole[..length]]), $"cut after {length} of {whole.Length}");
        }

        for (int i = 0; i < whole.Length; i++)
        {
            byte[] changed = [.. whole];
            changed[i] ^= 1;
            Assert.False(Read(client, [changed]), $"byte {i} changed");
        }

        Assert.False(Read(client, [whole, [0]]));
        Assert.False(Read(client, [whole, first[^1]]));
        for (int i = 1; i < first.Length; i++)
        {
            Assert.False(Read(client, [.. first[..i], .. first[(i + 1)..]]), $"chunk {i} left out");
            Assert.False(Read(client, [.. first[..i], first[i], .. first[i..]]), $"chunk {i} repeated");
            Assert.False(Read(client, [.. first[..i], second[i], .. first[(i + 1)..]]), $"chunk {i} of another response");
            for (int j = i + 1; j < first.Length; j++)
            {
                byte[][] moved = [.. first];
                (moved[i], moved[j]) = (moved[j], moved[i]);
                Assert.False(Read(client, moved), $"chunks {i} and {j} exchanged");
            }
        }

        // A chunk in the middle made to look like the last one, and the last one like any other.
        Assert.False(Read(client, [.. first[..3], [0, .. first[3][1..]]]));
        Assert.False(Read(client, [.. first[..^1], [(byte)(first[^1].Length - 1), .. first[^1][1..]]]));
        Assert.True(Read(client, second));
    }

    [Fact]
    public void A_request_that_was_touched_or_is_for_another_key_is_refused()
    {
        using ObliviousClientExchange client = ObliviousClientExchange.TryCreate(_configuration, isChunked: false)!;
        byte[] request = Write(to => client.SealRequest(s_request, to));
        for (int i = 1; i < request.Length; i++)
        {
            byte[] changed = [.. request];
            changed[i] ^= 1;
            Assert.False(Opens(_key, changed), $"byte {i} changed");
            Assert.False(Opens(_key, request[..i]), $"cut after {i}");
        }

        using HpkePrivateKey other = HpkePrivateKey.Generate(HpkeSuite.X25519ChaCha20Poly1305);
        Assert.True(Opens(_key, request));
        Assert.False(Opens(other, request));
        // The key id is part of what is sealed, too.
        Assert.False(Opens(_key, [.. (byte[])[8], .. request[1..]]));
    }

    [Fact]
    public void A_plain_response_is_bound_to_its_request()
    {
        using ObliviousClientExchange client = ObliviousClientExchange.TryCreate(_configuration, isChunked: false)!;
        byte[] request = Write(to => client.SealRequest(s_request, to));
        using ObliviousGatewayExchange gateway = ObliviousGatewayExchange.TryBegin(_key, request, isChunked: false, out _)!;
        byte[] response = Write(to => gateway.SealResponse("reply"u8, to));
        using ObliviousClientExchange other = ObliviousClientExchange.TryCreate(_configuration, isChunked: false)!;
        Assert.False(other.TryOpenResponse(response, new ArrayBufferWriter<byte>()));
        for (int i = 0; i < response.Length; i++)
        {
            byte[] changed = [.. response];
            changed[i] ^= 1;
            Assert.False(client.TryOpenResponse(changed, new ArrayBufferWriter<byte>()));
            Assert.False(client.TryOpenResponse(response.AsSpan(0, i), new ArrayBufferWriter<byte>()));
        }

        Assert.True(client.TryOpenResponse(response, new ArrayBufferWriter<byte>()));
    }

    [Theory]
    [InlineData("")]
    [InlineData("00")]
    [InlineData("05" + "0000000000")]                                          // a chunk shorter than a tag
    [InlineData("10" + "00000000000000000000000000000000")]                    // a chunk of nothing that is not the last
    [InlineData("8000 4011")]                                                  // larger than any sender sends
    [InlineData("ffffffffffffffff")]
    public void Malformed_chunks_are_refused(string hex)
    {
        using ObliviousClientExchange client = ObliviousClientExchange.TryCreate(_configuration, isChunked: true)!;
        byte[] nonce = new byte[32];
        Assert.False(Read(client, [nonce, Convert.FromHexString(hex.Replace(" ", "", StringComparison.Ordinal))]));
    }

    [Fact]
    public void A_last_chunk_without_end_is_not_kept()
    {
        using ObliviousClientExchange client = ObliviousClientExchange.TryCreate(_configuration, isChunked: true)!;
        using ObliviousResponseReader answer = client.ReadResponse();
        ArrayBufferWriter<byte> to = new();
        Assert.True(answer.TryRead(new byte[33], to));
        int taken = 0;
        while (answer.TryRead(new byte[1000], to))
        {
            Assert.True((taken += 1000) <= ObliviousChunkReader.MaxChunkSize + 1000);
        }
    }

    [Fact]
    public void Key_lists_are_read_past_what_is_unknown_and_no_further()
    {
        byte[] known = _configuration.Encode();
        byte[] unknown = [9, 0xfe, 0xfe, 1, 2, 3];
        byte[] list = [0, (byte)unknown.Length, .. unknown, 0, (byte)known.Length, .. known];
        Assert.True(ObliviousKeyConfiguration.TryParseList(list, out IReadOnlyList<ObliviousKeyConfiguration> read));
        Assert.Equal(known, Assert.Single(read).Encode());
        Assert.Equal(HpkeSuite.X25519ChaCha20Poly1305, read[0].FindSuite());
        Assert.True(ObliviousKeyConfiguration.TryParseList([], out read));
        Assert.Empty(read);
        for (int length = 1; length < list.Length; length++)
        {
            if (length != 2 + unknown.Length)
            {
                Assert.False(ObliviousKeyConfiguration.TryParseList(list.AsSpan(0, length), out _), $"cut after {length}");
            }
        }
    }

    [Fact]
    public void Key_configurations_have_one_encoding() =>
        Property.HoldsForFormat(
            from id in Property.Bytes()
            from key in Property.BytesOf(32)
            from count in Gen.Choose(1, 4)
            from pairs in Property.BytesOf(16)
            select new ObliviousKeyConfiguration
            {
                KeyId = id,
                KemId = 0x0020,
                PublicKey = key,
                Algorithms = [.. Enumerable.Range(0, count).Select(i => new ObliviousAlgorithms(pairs[4 * i], pairs[(4 * i) + 1]))],
            }.Encode(),
            bytes => ObliviousKeyConfiguration.TryParse(bytes, out ObliviousKeyConfiguration? read) ? read.Encode() : null);

    [Fact]
    public void Misuse_throws()
    {
        using ObliviousClientExchange client = ObliviousClientExchange.TryCreate(_configuration, isChunked: true)!;
        ArrayBufferWriter<byte> to = new();
        Assert.Throws<InvalidOperationException>(() => client.SealRequest(s_request, to));
        Assert.Throws<ArgumentException>(() => client.SealChunk([], isFinal: false, to));
        Assert.Throws<ArgumentException>(() => client.SealChunk(new byte[ObliviousChunkReader.MaxChunkSize + 1], isFinal: false, to));
        client.SealChunk([], isFinal: true, to);
        Assert.Throws<InvalidOperationException>(() => client.SealChunk(s_request, isFinal: true, to));
    }

    private static ObliviousClientExchange Replay(ObliviousKeyConfiguration configuration, JsonElement vector, bool isChunked)
    {
        HpkeSuite suite = HpkeSuite.X25519Aes128Gcm;
        Assert.Equal(suite, configuration.FindSuite());
        Assert.True(HpkePublicKey.TryImport(suite, configuration.PublicKey.Span, out HpkePublicKey? recipient));
        using HpkePublicKey owned = recipient;
        var header = new ObliviousRequestHeader(configuration.KeyId, suite.KemId, suite.KdfId, suite.AeadId);
        byte[] info = ObliviousSecrets.Info(header, isChunked);
        Assert.Equal(vector.Text("hpke_info"), Convert.ToHexStringLower(info));
        byte[] enc = new byte[32];
        HpkeSender sender = suite.SetupSender(recipient, info, null, null, vector.Hex("client_ephemeral_secret_key"), enc);
        return new ObliviousClientExchange(suite, header, sender, enc, isChunked);
    }

    /// <summary>The parts of one response: its nonce, its chunks, the last of them marked.</summary>
    private static byte[][] Chunks(ObliviousGatewayExchange gateway, int count)
    {
        using ObliviousResponseSealer sealer = gateway.CreateResponse();
        List<byte[]> parts = [];
        for (int i = 0; i < count; i++)
        {
            // All of one size, so that nothing but their place tells them apart.
            parts.Add(Write(to => sealer.SealChunk(Samples.Filled(8, (byte)i), i == count - 1, to)));
        }

        return [parts[0][..32], parts[0][32..], .. parts[1..]];
    }

    private static bool Read(ObliviousClientExchange client, byte[][] parts)
    {
        using ObliviousResponseReader answer = client.ReadResponse();
        ArrayBufferWriter<byte> to = new();
        return parts.All(part => answer.TryRead(part, to)) && answer.TryEnd(to);
    }

    private static bool Opens(HpkePrivateKey key, byte[] request)
    {
        using ObliviousGatewayExchange? gateway = ObliviousGatewayExchange.TryBegin(key, request, isChunked: false, out int size);
        return gateway is not null && gateway.TryOpenRequest(request.AsSpan(size), new ArrayBufferWriter<byte>());
    }

    private static void SealAll(byte[][] parts, Action<ReadOnlySpan<byte>, bool, IBufferWriter<byte>> seal, IBufferWriter<byte> to)
    {
        for (int i = 0; i < parts.Length; i++)
        {
            seal(parts[i], i == parts.Length - 1, to);
        }
    }

    private static byte[] ReadInPieces(
        Func<ReadOnlySpan<byte>, IBufferWriter<byte>, bool> read, Func<IBufferWriter<byte>, bool> end, byte[] message, int step)
    {
        ArrayBufferWriter<byte> to = new();
        for (int i = 0; i < message.Length; i += step)
        {
            Assert.True(read(message.AsSpan(i, Math.Min(step, message.Length - i)), to));
        }

        Assert.True(end(to));
        return to.WrittenSpan.ToArray();
    }

    private static byte[] Write(Action<IBufferWriter<byte>> write)
    {
        ArrayBufferWriter<byte> buffer = new();
        write(buffer);
        return buffer.WrittenSpan.ToArray();
    }
}
