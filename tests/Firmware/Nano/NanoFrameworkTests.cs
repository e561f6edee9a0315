using System.Xml.Linq;
using DePIN.Firmware.Board;
using Mono.Cecil;
using Mono.Cecil.Cil;

namespace DePIN.Firmware.Tests.Nano;

/// <summary>
/// The firmware and the protocol, as compiled for .NET, use only what nanoFramework 1.x has: every type and member their IL names is in
/// nanoframework-1.x-members.txt (facts about its public API), and nothing is generic.
/// </summary>
[TestFixture]
public sealed class NanoFrameworkTests
{
    // What the .NET compiler binds to, and what nanoFramework's compiler binds the same source to.
    private static readonly Dictionary<string, string> SameSource = new(StringComparer.Ordinal)
    {
        ["System.Threading.Monitor::Enter(object,bool&)"] = "System.Threading.Monitor::Enter(object)",
        ["System.Exception::GetType()"] = "System.Object::GetType()",
        ["System.Threading.EventWaitHandle::Set()"] = "System.Threading.ManualResetEvent::Set()",
        ["System.Threading.EventWaitHandle::Reset()"] = "System.Threading.ManualResetEvent::Reset()",
        ["System.Security.Cryptography.HashAlgorithm::ComputeHash(byte[])"] = "System.Security.Cryptography.HMACSHA256::ComputeHash(byte[])",
    };

    // Needed by every C# compiler, there in every nanoFramework mscorlib, not part of its documented API.
    private static readonly HashSet<string> CompilerNeeds = new(StringComparer.Ordinal)
    {
        "System.Runtime.CompilerServices.RuntimeHelpers::InitializeArray(Array,RuntimeFieldHandle)",
    };

    // Base classes on .NET of types that have none on the board; only the members above are taken from them.
    private static readonly HashSet<string> BasesHere = new(StringComparer.Ordinal)
    {
        "System.Threading.EventWaitHandle", "System.Security.Cryptography.HashAlgorithm",
    };

    private static readonly HashSet<string> Overrides = new(StringComparer.Ordinal) { "ToString()", "Equals(object)", "GetHashCode()" };

    private static readonly Dictionary<string, string> Aliases = new(StringComparer.Ordinal)
    {
        ["Boolean"] = "bool", ["Byte"] = "byte", ["SByte"] = "sbyte", ["Char"] = "char", ["Int16"] = "short", ["UInt16"] = "ushort",
        ["Int32"] = "int", ["UInt32"] = "uint", ["Int64"] = "long", ["UInt64"] = "ulong", ["Single"] = "float", ["Double"] = "double",
        ["String"] = "string", ["Object"] = "object", ["Void"] = "void",
    };

    private static readonly HashSet<string> Members = LoadMembers();

    private static IEnumerable<string> Assemblies => ["DePIN.Firmware.dll", "DePIN.Loader.dll", "DePIN.Protocol.dll"];

    [TestCaseSource(nameof(Assemblies))]
    public void Every_member_it_uses_exists_on_the_board(string file)
    {
        using AssemblyDefinition assembly = Read(file);
        List<string> missing = [];
        foreach (MemberReference member in assembly.MainModule.GetMemberReferences())
        {
            if (IsOwn(member.DeclaringType) || IsAttribute(member.DeclaringType))
            {
                continue;
            }

            string signature = SignatureOf(member);
            string onBoard = SameSource.GetValueOrDefault(signature, signature);
            bool overridden = Overrides.Contains(onBoard[(onBoard.IndexOf("::", StringComparison.Ordinal) + 2)..])
                && Members.Contains(NameOf(member.DeclaringType));
            if (!Members.Contains(onBoard) && !CompilerNeeds.Contains(onBoard) && !overridden)
            {
                missing.Add(signature);
            }
        }

        Assert.That(missing.Order(StringComparer.Ordinal), Is.Empty, "not in nanoFramework 1.x");
    }

    [TestCaseSource(nameof(Assemblies))]
    public void Every_type_it_uses_exists_on_the_board(string file)
    {
        using AssemblyDefinition assembly = Read(file);
        IEnumerable<string> missing = assembly.MainModule.GetTypeReferences()
            .Where(type => !IsOwn(type) && !IsAttribute(type) && !type.FullName.StartsWith("System.Runtime.CompilerServices.", StringComparison.Ordinal))
            .Select(NameOf)
            .Where(name => !Members.Contains(name) && !BasesHere.Contains(name));

        Assert.That(missing, Is.Empty, "not in nanoFramework 1.x");
    }

    [TestCaseSource(nameof(Assemblies))]
    public void Nothing_is_generic_awaited_or_of_two_dimensions(string file)
    {
        using AssemblyDefinition assembly = Read(file);
        List<string> found = [];
        foreach (TypeDefinition type in assembly.MainModule.GetTypes())
        {
            // The compiler's own attributes for nullability do not exist here: these assemblies are compiled without it.
            if (type.HasGenericParameters)
            {
                found.Add(type.FullName);
            }

            found.AddRange(type.Fields.Where(field => IsForbidden(field.FieldType)).Select(field => field.FullName));
            foreach (MethodDefinition method in type.Methods)
            {
                bool forbidden = method.HasGenericParameters || IsForbidden(method.ReturnType)
                    || method.Parameters.Any(parameter => IsForbidden(parameter.ParameterType));
                if (method.HasBody)
                {
                    forbidden |= method.Body.Variables.Any(variable => IsForbidden(variable.VariableType));
                    forbidden |= method.Body.Instructions.Any(IsForbiddenOperand);
                }

                if (forbidden)
                {
                    found.Add(method.FullName);
                }
            }
        }

        Assert.That(found, Is.Empty);
    }

    [Test]
    public void The_member_list_would_refuse_what_the_board_has_not()
    {
        Assert.That(Members, Does.Contain("System.String::Substring(int)"));
        Assert.That(Members, Does.Not.Contain("System.String::Join(string,string[])"));
        Assert.That(Members, Does.Not.Contain("System.Array::Resize(T[]&,int)"));
        Assert.That(Members, Does.Not.Contain("System.Collections.Generic.List`1"));
        Assert.That(Members, Has.Count.GreaterThan(1500));
    }

    [Test]
    public void The_boards_project_lists_exactly_the_sources_there_are()
    {
        XDocument project = XDocument.Load(Repository.PathOf("firmware", "DePIN.Firmware.nfproj"));
        string folder = Repository.PathOf("firmware");
        IEnumerable<string> listed = Items(project, "Compile").Select(item => item.Attribute("Include")!.Value)
            .Where(path => !path.StartsWith("..", StringComparison.Ordinal)).Select(path => path.Replace('\\', '/'));
        IEnumerable<string> there = Directory.GetFiles(folder, "*.cs", SearchOption.AllDirectories)
            .Select(path => Path.GetRelativePath(folder, path).Replace('\\', '/'))
            .Where(path => !path.StartsWith("obj/", StringComparison.Ordinal) && !path.StartsWith("bin/", StringComparison.Ordinal)
                && !path.StartsWith("Loader/", StringComparison.Ordinal));

        // Of the boards' constants one file is taken, the one that the property Board names.
        Assert.That(there.Where(path => path.StartsWith("Board/Generated/", StringComparison.Ordinal)), Has.One.EqualTo($"Board/Generated/{BoardPins.BoardName}.cs"));
        Assert.That(listed, Is.EquivalentTo(there.Where(path => !path.StartsWith("Board/Generated/", StringComparison.Ordinal)).Append("Board/Generated/$(Board).cs")));
        Assert.That(project.Descendants().Single(element => element.Name.LocalName == "Board").Value, Is.EqualTo("esp32-devkitc"));
        Assert.That(XDocument.Load(Repository.PathOf("Directory.Build.props")).Descendants("Board").Single().Value, Is.EqualTo("esp32-devkitc"));

        // The protocol is an assembly of its own, here as there.
        Assert.That(Items(project, "ProjectReference").Single().Attribute("Include")!.Value, Is.EqualTo("Protocol\\DePIN.Protocol.nfproj"));
        XDocument protocol = XDocument.Load(Repository.PathOf("firmware", "Protocol", "DePIN.Protocol.nfproj"));
        Assert.That(Items(protocol, "Compile").Single().Attribute("Include")!.Value, Is.EqualTo("..\\..\\shared\\Protocol\\*.cs"));
        Assert.That(
            Directory.GetDirectories(Repository.PathOf("shared", "Protocol")).Select(Path.GetFileName).Except(["bin", "obj"]),
            Is.Empty,
            "the wildcard takes one folder: list a new one in the project");
    }

    [Test]
    public void The_loaders_project_lists_its_sources_and_everything_they_need()
    {
        XDocument project = XDocument.Load(Repository.PathOf("firmware", "Loader", "DePIN.Loader.nfproj"));
        string[] listed = [.. Items(project, "Compile").Select(item => item.Attribute("Include")!.Value.Replace('\\', '/'))];
        string folder = Repository.PathOf("firmware", "Loader");
        Assert.That(listed.Where(path => !path.StartsWith("..", StringComparison.Ordinal)), Is.EquivalentTo(Directory.GetFiles(folder, "*.cs").Select(Path.GetFileName)));
        Assert.That(listed.Where(path => !path.Contains("$(Board)", StringComparison.Ordinal)).Select(path => Path.Combine(folder, path)), Is.All.Matches<string>(File.Exists));

        // Every type that the loader's IL names, and every type that those name in turn, is declared in a listed file.
        string sources = string.Concat(listed.Select(path => File.ReadAllText(Path.Combine(folder, path.Replace("$(Board)", BoardPins.BoardName, StringComparison.Ordinal)))));
        using AssemblyDefinition loader = Read("DePIN.Loader.dll");
        using AssemblyDefinition firmware = Read("DePIN.Firmware.dll");
        using AssemblyDefinition protocol = Read("DePIN.Protocol.dll");
        Dictionary<string, TypeDefinition> types = new[] { loader, firmware, protocol }.SelectMany(assembly => assembly.MainModule.Types)
            .Where(type => type.Namespace.StartsWith("DePIN", StringComparison.Ordinal)).ToDictionary(type => type.FullName);
        Queue<TypeDefinition> open = new(types.Values.Where(type => type.Namespace == "DePIN.Loader"));
        HashSet<string> needed = [.. open.Select(type => type.FullName)];
        while (open.TryDequeue(out TypeDefinition? type))
        {
            foreach (TypeDefinition next in NamedBy(type).Select(name => types.GetValueOrDefault(name)).OfType<TypeDefinition>().Where(next => needed.Add(next.FullName)))
            {
                open.Enqueue(next);
            }
        }

        Assert.That(needed, Has.Count.GreaterThan(10));
        Assert.That(needed.Select(name => name[(name.LastIndexOf('.') + 1)..]).Where(name => !System.Text.RegularExpressions.Regex.IsMatch(sources, $@"\b(class|enum|interface) {name}\b")), Is.Empty);
    }

    [TestCase("firmware", "DePIN.Firmware.nfproj", @"..\packages\")]
    [TestCase("firmware/Loader", "DePIN.Loader.nfproj", @"..\..\packages\")]
    [TestCase("firmware/Protocol", "DePIN.Protocol.nfproj", @"..\..\packages\")]
    public void Packages_references_and_hint_paths_of_the_boards_project_agree(string folder, string file, string root)
    {
        XDocument project = XDocument.Load(Repository.PathOf(folder, file));
        XDocument packages = XDocument.Load(Repository.PathOf(folder, "packages.config"));
        Dictionary<string, string> versions = packages.Root!.Elements("package")
            .ToDictionary(package => package.Attribute("id")!.Value, package => package.Attribute("version")!.Value);
        HashSet<string> used = [];
        foreach (XElement reference in Items(project, "Reference"))
        {
            string assembly = reference.Attribute("Include")!.Value;
            string hint = reference.Elements().Single(element => element.Name.LocalName == "HintPath").Value;
            string package = versions.Keys.Where(id => hint.StartsWith($"{root}{id}.{versions[id]}\\", StringComparison.Ordinal)).MaxBy(id => id.Length)!;

            Assert.That(package, Is.Not.Null, $"{hint} is a package of packages.config at its version");
            Assert.That(hint, Is.EqualTo($"{root}{package}.{versions[package]}\\lib\\{assembly}.dll"));
            used.Add(package);
        }

        Assert.That(used, Is.EquivalentTo(versions.Keys));
        Assert.That(versions.Select(package => $"{package.Key} {package.Value}"), Is.SubsetOf(File.ReadLines(Repository.PathOf("tests", "Firmware", "nanoframework-1.x-packages.txt"))), "the versions that the members were listed from");
        Assert.That(packages.Root.Elements("package").Select(package => package.Attribute("targetFramework")!.Value), Is.All.EqualTo("netnano1.0"));
    }

    [Test]
    public void The_loader_is_deployed_with_the_very_libraries_the_firmware_is_compiled_against()
    {
        Assert.That(File.ReadAllText(Repository.PathOf("firmware", "Loader", "packages.config")), Is.EqualTo(File.ReadAllText(Repository.PathOf("firmware", "packages.config"))));
    }

    [TestCase("DePIN.Firmware.nfproj")]
    [TestCase("Loader/DePIN.Loader.nfproj")]
    [TestCase("Protocol/DePIN.Protocol.nfproj")]
    public void The_solution_lists_the_boards_project_without_building_it(string file)
    {
        string solution = File.ReadAllText(Repository.PathOf("DePIN.Edge.sln"));
        XDocument project = XDocument.Load(Repository.PathOf("firmware", file));
        string id = project.Descendants().Single(element => element.Name.LocalName == "ProjectGuid").Value;

        Assert.That(solution, Does.Contain(id));
        Assert.That(solution.Split('\n').Where(line => line.Contains(id, StringComparison.Ordinal)), Has.None.Contains(".Build.0"));
    }

    [Test]
    public void The_one_source_that_NET_cannot_compile_uses_one_member_that_the_board_has()
    {
        XDocument project = XDocument.Load(Repository.PathOf("firmware", "DePIN.Firmware.csproj"));
        string[] removed = [.. project.Descendants("Compile").Select(item => item.Attribute("Remove")?.Value).OfType<string>()];
        Assert.That(removed, Is.EquivalentTo(new[] { "Loader/**", "Board/Generated/**", "Publish/OwnCertificate.cs" }));
        string source = File.ReadAllText(Repository.PathOf("firmware", "Publish", "OwnCertificate.cs"));
        Assert.That(source.Split('\n').Where(line => line.Contains(';') && !line.StartsWith("using", StringComparison.Ordinal)).Select(line => line.Trim()), Is.EqualTo(new[] { "return new X509Certificate2(certificate, key, \"\");" }));
        Assert.That(
            File.ReadLines(Repository.PathOf("tests", "Firmware", "nanoframework-1.x-members.txt")),
            Has.One.EqualTo("System.Security.Cryptography.X509Certificates.X509Certificate2::.ctor(byte[],byte[],string)"));
    }

    [Test]
    public void No_source_of_the_firmware_is_conditional()
    {
        IEnumerable<string> conditional = Directory.GetFiles(Repository.PathOf("firmware"), "*.cs", SearchOption.AllDirectories)
            .Where(path => !path.Contains("/obj/", StringComparison.Ordinal) && File.ReadLines(path).Any(line => line.StartsWith("#if", StringComparison.Ordinal)));

        Assert.That(conditional, Is.Empty);
    }

    private static IEnumerable<string> NamedBy(TypeDefinition type) =>
        type.Methods.Where(method => method.HasBody).SelectMany(method => method.Body.Instructions).Select(instruction => instruction.Operand switch
        {
            TypeReference named => named.GetElementType().FullName,
            MemberReference member => member.DeclaringType.GetElementType().FullName,
            _ => "",
        })
        .Concat(type.Methods.SelectMany(method => method.Parameters.Select(parameter => parameter.ParameterType).Append(method.ReturnType)).Select(named => named.GetElementType().FullName))
        .Concat(type.Fields.Select(field => field.FieldType.GetElementType().FullName))
        .Concat(type.Interfaces.Select(item => item.InterfaceType.FullName))
        .Concat(type.NestedTypes.SelectMany(NamedBy));

    private static IEnumerable<XElement> Items(XDocument project, string name) =>
        project.Descendants().Where(element => element.Name.LocalName == name && element.Attribute("Include") is not null);

    private static AssemblyDefinition Read(string file) => AssemblyDefinition.ReadAssembly(Path.Combine(AppContext.BaseDirectory, file));

    private static HashSet<string> LoadMembers() =>
        [.. File.ReadLines(Repository.PathOf("tests", "Firmware", "nanoframework-1.x-members.txt")).Where(line => line.Length > 0 && line[0] != '#')];

    private static bool IsOwn(TypeReference type) =>
        type.GetElementType().Scope.Name.StartsWith("DePIN.Protocol", StringComparison.Ordinal)
        || type.GetElementType().Scope.Name.StartsWith("DePIN.Firmware", StringComparison.Ordinal)
        || type.FullName == "DePIN.Firmware.Publish.OwnCertificate"; // a source of the firmware's that the virtual board stands in for

    // Attributes are for compilers and debuggers: the metadata processor leaves them out.
    private static bool IsAttribute(TypeReference type) =>
        type.Name.EndsWith("Attribute", StringComparison.Ordinal) || type.DeclaringType?.Name.EndsWith("Attribute", StringComparison.Ordinal) == true;

    private static bool IsForbidden(TypeReference type) => type switch
    {
        GenericInstanceType or GenericParameter => true,
        ArrayType array => array.Rank > 1 || IsForbidden(array.ElementType),
        TypeSpecification specification => IsForbidden(specification.ElementType),
        _ => type.FullName is "System.Decimal" or "System.Threading.Tasks.Task",
    };

    private static bool IsForbiddenOperand(Instruction instruction) => instruction.Operand switch
    {
        GenericInstanceMethod => true,
        TypeReference type => IsForbidden(type),
        MemberReference member => member.DeclaringType is not null && IsForbidden(member.DeclaringType),
        _ => instruction.OpCode.Code == Code.Volatile,
    };

    private static string SignatureOf(MemberReference member)
    {
        string declaring = NameOf(member.DeclaringType);
        return member is MethodReference method
            ? $"{declaring}::{method.Name}({string.Join(",", method.Parameters.Select(parameter => ShortName(parameter.ParameterType)))})"
            : $"{declaring}::{member.Name}";
    }

    private static string NameOf(TypeReference type) => type.GetElementType().FullName.Replace('/', '.');

    private static string ShortName(TypeReference type) => type switch
    {
        ByReferenceType reference => ShortName(reference.ElementType) + "&",
        ArrayType array => ShortName(array.ElementType) + "[]",
        RequiredModifierType modified => ShortName(modified.ElementType),
        _ => Aliases.GetValueOrDefault(type.Name, type.Name),
    };
}
