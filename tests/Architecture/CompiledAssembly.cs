using System.Collections.Immutable;
using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;

namespace Tacit.Architecture;

/// <summary>A type another assembly declares. <paramref name="Assembly"/> is that assembly's simple name.</summary>
internal sealed record TypeUse(string Assembly, string FullName);

/// <summary>A method another assembly declares.</summary>
internal sealed record MethodUse(string Type, string Name, int Parameters);

/// <summary>A <c>[LoggerMessage]</c> method, its parameter types by full name.</summary>
internal sealed record LogMethod(string Name, IReadOnlyList<(string Type, string Name)> Parameters);

/// <summary>What an assembly's metadata says it uses. Read, not loaded: no code of it runs, and nothing that a source file hides is missed.</summary>
internal sealed record CompiledAssembly(
    string Project,
    IReadOnlyList<string> References,
    IReadOnlyList<TypeUse> Types,
    IReadOnlyList<MethodUse> Methods,
    IReadOnlyList<string> Declared,
    IReadOnlyList<string> Enumerations,
    IReadOnlyList<string> Friends,
    IReadOnlyList<LogMethod> LogMethods)
{
    internal static CompiledAssembly Read(string project, string path)
    {
        using var file = new PEReader(File.OpenRead(path));
        MetadataReader reader = file.GetMetadataReader();
        var names = new TypeNames();
        return new CompiledAssembly(
            project,
            [.. reader.AssemblyReferences.Select(handle => reader.GetString(reader.GetAssemblyReference(handle).Name))],
            [.. reader.TypeReferences.Select(handle => new TypeUse(ScopeOf(reader, handle), names.GetTypeFromReference(reader, handle, 0)))],
            [.. reader.MemberReferences.Select(reader.GetMemberReference)
                .Where(member => member.GetKind() == MemberReferenceKind.Method)
                .Select(member => new MethodUse(ParentOf(reader, member, names), reader.GetString(member.Name), member.DecodeMethodSignature(names, null).ParameterTypes.Length))],
            [.. reader.TypeDefinitions.Select(handle => names.GetTypeFromDefinition(reader, handle, 0))],
            [.. reader.TypeDefinitions.Where(handle => IsEnumeration(reader, handle, names)).Select(handle => names.GetTypeFromDefinition(reader, handle, 0))],
            [.. reader.GetAssemblyDefinition().GetCustomAttributes().Select(reader.GetCustomAttribute)
                .Where(attribute => AttributeType(reader, attribute, names) == "System.Runtime.CompilerServices.InternalsVisibleToAttribute")
                .Select(attribute => (string)attribute.DecodeValue(names).FixedArguments[0].Value!)],
            [.. reader.MethodDefinitions.Select(reader.GetMethodDefinition)
                .Where(method => method.GetCustomAttributes().Any(a => AttributeType(reader, reader.GetCustomAttribute(a), names) == "Microsoft.Extensions.Logging.LoggerMessageAttribute"))
                .Select(method => ReadLogMethod(reader, method, names))]);
    }

    private static LogMethod ReadLogMethod(MetadataReader reader, MethodDefinition method, TypeNames names)
    {
        ImmutableArray<string> types = method.DecodeSignature(names, null).ParameterTypes;
        IEnumerable<string> parameters = method.GetParameters().Select(reader.GetParameter)
            .Where(parameter => parameter.SequenceNumber > 0)
            .OrderBy(parameter => parameter.SequenceNumber)
            .Select(parameter => reader.GetString(parameter.Name));
        return new LogMethod(reader.GetString(method.Name), [.. types.Zip(parameters)]);
    }

    private static bool IsEnumeration(MetadataReader reader, TypeDefinitionHandle handle, TypeNames names) =>
        reader.GetTypeDefinition(handle).BaseType is { Kind: HandleKind.TypeReference } parent
        && names.GetTypeFromReference(reader, (TypeReferenceHandle)parent, 0) == "System.Enum";

    private static string AttributeType(MetadataReader reader, CustomAttribute attribute, TypeNames names) =>
        attribute.Constructor.Kind == HandleKind.MemberReference
            ? ParentOf(reader, reader.GetMemberReference((MemberReferenceHandle)attribute.Constructor), names)
            : "";

    private static string ParentOf(MetadataReader reader, MemberReference member, TypeNames names) => member.Parent.Kind switch
    {
        HandleKind.TypeReference => names.GetTypeFromReference(reader, (TypeReferenceHandle)member.Parent, 0),
        HandleKind.TypeDefinition => names.GetTypeFromDefinition(reader, (TypeDefinitionHandle)member.Parent, 0),
        HandleKind.TypeSpecification => reader.GetTypeSpecification((TypeSpecificationHandle)member.Parent).DecodeSignature(names, null),
        _ => "",
    };

    private static string ScopeOf(MetadataReader reader, TypeReferenceHandle handle)
    {
        EntityHandle scope = reader.GetTypeReference(handle).ResolutionScope;
        return scope.Kind switch
        {
            HandleKind.AssemblyReference => reader.GetString(reader.GetAssemblyReference((AssemblyReferenceHandle)scope).Name),
            HandleKind.TypeReference => ScopeOf(reader, (TypeReferenceHandle)scope),
            _ => "",
        };
    }

    /// <summary>Types as full names; generic arguments are left out, arrays and pointers marked.</summary>
    private sealed class TypeNames : ISignatureTypeProvider<string, object?>, ICustomAttributeTypeProvider<string>
    {
        public string GetTypeFromReference(MetadataReader reader, TypeReferenceHandle handle, byte rawTypeKind)
        {
            TypeReference type = reader.GetTypeReference(handle);
            string name = reader.GetString(type.Name);
            return type.ResolutionScope.Kind == HandleKind.TypeReference
                ? $"{GetTypeFromReference(reader, (TypeReferenceHandle)type.ResolutionScope, 0)}.{name}"
                : Join(reader.GetString(type.Namespace), name);
        }

        public string GetTypeFromDefinition(MetadataReader reader, TypeDefinitionHandle handle, byte rawTypeKind)
        {
            TypeDefinition type = reader.GetTypeDefinition(handle);
            string name = reader.GetString(type.Name);
            return type.IsNested ? $"{GetTypeFromDefinition(reader, type.GetDeclaringType(), 0)}.{name}" : Join(reader.GetString(type.Namespace), name);
        }

        public string GetPrimitiveType(PrimitiveTypeCode typeCode) => "System." + typeCode;

        public string GetSZArrayType(string elementType) => elementType + "[]";

        public string GetArrayType(string elementType, ArrayShape shape) => elementType + "[,]";

        public string GetByReferenceType(string elementType) => elementType;

        public string GetPointerType(string elementType) => elementType + "*";

        public string GetPinnedType(string elementType) => elementType;

        public string GetGenericInstantiation(string genericType, ImmutableArray<string> typeArguments) =>
            genericType == "System.Nullable`1" ? typeArguments[0] : genericType;

        public string GetGenericMethodParameter(object? genericContext, int index) => "!!" + index;

        public string GetGenericTypeParameter(object? genericContext, int index) => "!" + index;

        public string GetFunctionPointerType(MethodSignature<string> signature) => "delegate*";

        public string GetModifiedType(string modifier, string unmodifiedType, bool isRequired) => unmodifiedType;

        public string GetTypeFromSpecification(MetadataReader reader, object? genericContext, TypeSpecificationHandle handle, byte rawTypeKind) =>
            reader.GetTypeSpecification(handle).DecodeSignature(this, genericContext);

        public string GetSystemType() => "System.Type";

        public string GetTypeFromSerializedName(string name) => name;

        public PrimitiveTypeCode GetUnderlyingEnumType(string type) => PrimitiveTypeCode.Int32;

        public bool IsSystemType(string type) => type == "System.Type";

        private static string Join(string space, string name) => space.Length == 0 ? name : $"{space}.{name}";
    }
}
