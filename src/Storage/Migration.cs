namespace Tacit.Storage;

/// <summary>
/// One step of a role's schema, applied once and in one transaction. Its text is checksummed: change the schema by adding a step, never by editing one.
/// </summary>
/// <param name="Version">1, 2, 3… without gaps.</param>
/// <param name="Name">A short name for people, part of the checksum.</param>
/// <param name="Sql">One or more statements, with the placeholders of <see cref="Dialect"/>.</param>
public sealed record Migration(int Version, string Name, string Sql);
