// Where the repository lies, for the golden vectors and the generated sources that tests read and, when asked to, write.

using System.Reflection;

namespace DePIN.Protocol.Tests;

internal static class Repository
{
    public static string Root { get; } = typeof(Repository).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>()
        .Single(attribute => attribute.Key == "RepositoryRoot").Value!;

    public static string FilePath(params string[] parts) => Path.Combine([Root, .. parts]);
}
