using System.Numerics;

namespace Tacit.Fuzz;

/// <summary>xoshiro256** seeded by splitmix64: the same run on every machine from one number, which the framework's own generator does not promise.</summary>
public sealed class Xoshiro
{
    private readonly ulong[] _state = new ulong[4];

    public Xoshiro(ulong seed)
    {
        for (int i = 0; i < 4; i++)
        {
            seed = unchecked(seed + 0x9e3779b97f4a7c15);
            ulong z = seed;
            z = unchecked((z ^ (z >> 30)) * 0xbf58476d1ce4e5b9);
            z = unchecked((z ^ (z >> 27)) * 0x94d049bb133111eb);
            _state[i] = z ^ (z >> 31);
        }
    }

    public ulong NextUInt64()
    {
        ulong result = unchecked(BitOperations.RotateLeft(unchecked(_state[1] * 5), 7) * 9);
        ulong t = _state[1] << 17;
        _state[2] ^= _state[0];
        _state[3] ^= _state[1];
        _state[1] ^= _state[2];
        _state[0] ^= _state[3];
        _state[2] ^= t;
        _state[3] = BitOperations.RotateLeft(_state[3], 45);
        return result;
    }

    /// <summary>0 to <paramref name="bound"/>−1; the bias of a modulus does not matter here.</summary>
    public int Below(int bound) => (int)(NextUInt64() % (ulong)bound);

    public byte[] Bytes(int count)
    {
        byte[] bytes = new byte[count];
        for (int i = 0; i < count; i++)
        {
            bytes[i] = unchecked((byte)NextUInt64());
        }

        return bytes;
    }
}
