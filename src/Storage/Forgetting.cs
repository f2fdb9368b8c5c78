namespace Tacit.Storage;

/// <summary>
/// When a role may forget what nothing but the clock says is over. A clock that jumps ahead, however far, and is put right must cost nothing that still means something: so
/// what is over is forgotten at the second look that finds it so, a while after the first, and a clock that went back between the two begins anew.
/// </summary>
public static class Forgetting
{
    /// <summary>The table of looks, one of the role's migrations.</summary>
    public static Migration Migration(int version) => new(version, "forgetting", """
        -- When somebody last looked for what is over, by the clock of then, in whatever unit suits what it is.
        CREATE TABLE forgetting (
            what {text} NOT NULL PRIMARY KEY,
            looked {int} NOT NULL
        ) {without_rowid};
        """);

    /// <summary>Looks. To be called in the work that forgets.</summary>
    /// <param name="session">On the role's database.</param>
    /// <param name="what">Names what is to be forgotten, for ever the same.</param>
    /// <param name="now">In a unit of the caller's.</param>
    /// <param name="delay">How long after a look the next one counts, in the same unit.</param>
    /// <returns>What was over at that moment may be forgotten; null: nothing may be.</returns>
    public static long? Look(Session session, string what, long now, long delay)
    {
        ArgumentNullException.ThrowIfNull(session);
        long? looked = session.QueryInt64("SELECT looked FROM forgetting WHERE what = $1", what);
        if (looked is long last && last <= now && now - last < delay)
        {
            return null;
        }

        session.Execute("INSERT INTO forgetting (what, looked) VALUES ($1, $2) ON CONFLICT (what) DO UPDATE SET looked = excluded.looked", what, now);
        return looked <= now ? looked : null;
    }
}
