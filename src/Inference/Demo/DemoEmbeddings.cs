using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text.Json;
using Tacit.Protocol;

namespace Tacit.Inference;

/// <summary>
/// The demo model's embeddings: the same text always gives the same unit vector and another text another one, so a client can be tried
/// out. They say nothing of meaning.
/// </summary>
internal static class DemoEmbeddings
{
    private const int DefaultDimensions = 64;
    private const int MostDimensions = 4096;

    /// <returns>Null, or why there is no vector.</returns>
    public static ApiError? Write(DemoReply reply, DemoPrompt prompt, ReadOnlySpan<byte> body)
    {
        if (prompt.Dimensions is < 0 or > MostDimensions)
        {
            return ApiError.Create(ErrorCodes.InvalidValue, $"This model has 1 to {MostDimensions} dimensions.", "dimensions");
        }

        using var json = new Utf8JsonWriter(reply.Text);
        json.WriteStartObject();
        json.WriteString("object"u8, "list"u8);
        json.WriteStartArray("data"u8);
        var reader = new Utf8JsonReader(body);
        reader.Read();
        while (reader.Read() && !reader.ValueTextEquals("input"u8))
        {
            reader.Skip();
        }

        reader.Read();
        int index = 0;
        float[] vector = new float[prompt.Dimensions == 0 ? DefaultDimensions : prompt.Dimensions];
        bool isList = false;
        if (reader.TokenType == JsonTokenType.StartArray)
        {
            // A list of numbers is one text in tokens, any other list is several texts.
            Utf8JsonReader ahead = reader;
            isList = ahead.Read() && ahead.TokenType is JsonTokenType.String or JsonTokenType.StartArray;
            if (isList)
            {
                reader.Read();
            }
        }

        do
        {
            int start = (int)reader.TokenStartIndex;
            reader.Skip();
            Fill(vector, body[start..(int)reader.BytesConsumed]);
            Entry(json, index++, vector, prompt.Base64);
        }
        while (isList && reader.Read() && reader.TokenType != JsonTokenType.EndArray);

        json.WriteEndArray();
        json.WriteString("model"u8, InferenceRouter.DemoModelName);
        json.WriteStartObject("usage"u8);
        json.WriteNumber("prompt_tokens"u8, prompt.Words);
        json.WriteNumber("total_tokens"u8, prompt.Words);
        json.WriteEndObject();
        json.WriteEndObject();
        json.Flush();
        reply.EndPiece();
        return null;
    }

    private static void Entry(Utf8JsonWriter json, int index, float[] vector, bool base64)
    {
        json.WriteStartObject();
        json.WriteString("object"u8, "embedding"u8);
        json.WriteNumber("index"u8, index);
        if (base64)
        {
            byte[] bytes = new byte[vector.Length * sizeof(float)];
            for (int i = 0; i < vector.Length; i++)
            {
                BinaryPrimitives.WriteSingleLittleEndian(bytes.AsSpan(i * sizeof(float)), vector[i]);
            }

            json.WriteBase64String("embedding"u8, bytes);
        }
        else
        {
            json.WriteStartArray("embedding"u8);
            foreach (float number in vector)
            {
                json.WriteNumberValue(number);
            }

            json.WriteEndArray();
        }

        json.WriteEndObject();
    }

    private static void Fill(Span<float> vector, ReadOnlySpan<byte> text)
    {
        Span<byte> seed = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(text, seed);
        Span<byte> stream = stackalloc byte[SHA512.HashSizeInBytes];
        Span<byte> block = stackalloc byte[seed.Length + sizeof(int)];
        seed.CopyTo(block);
        double square = 0;
        for (int i = 0; i < vector.Length; i++)
        {
            int place = i % (stream.Length / sizeof(int));
            if (place == 0)
            {
                BinaryPrimitives.WriteInt32LittleEndian(block[seed.Length..], i);
                SHA512.HashData(block, stream);
            }

            vector[i] = BinaryPrimitives.ReadInt32LittleEndian(stream[(place * sizeof(int))..]) / (float)int.MaxValue;
            square += vector[i] * vector[i];
        }

        float length = (float)Math.Sqrt(square);
        for (int i = 0; length > 0 && i < vector.Length; i++)
        {
            vector[i] /= length;
        }

        CryptographicOperations.ZeroMemory(block);
    }
}
