using DePIN.Gateway.Store;
using DePIN.Gateway.Store.Postgres;
using DePIN.Gateway.Tests.Store;
using DePIN.Gateway.Tests.Verify;
using DePIN.Tests.Harness;

namespace DePIN.Gateway.Tests.Store
{
    /// <summary>The implementations of the store that behave alike; tests of that run on both.</summary>
    internal static class StoreKind
    {
        public const string File = "one file", PostgreSql = "PostgreSQL";

        public static async Task<Pipeline> PipelineAsync(string store) => store == File ? new Pipeline() : new Pipeline(postgres: await DatabaseAsync());

        /// <summary>A new database on the server that all tests share.</summary>
        public static async Task<PostgresOptions> DatabaseAsync() => await DatabaseAsync(await PostgresForTests.Server.Value);

        public static async Task<PostgresOptions> DatabaseAsync(PostgresServer server, int? port = null)
        {
            string name = "d" + Guid.NewGuid().ToString("N");
            await server.CreateDatabaseAsync(name);
            return Options(server, name, port);
        }

        public static PostgresOptions Options(PostgresServer server, string database, int? port = null)
        {
            string uri = $"postgresql://{PostgresServer.User}@127.0.0.1:{port ?? server.Port}/{database}?sslmode=disable";
            return PostgresOptions.Parse(uri, server.PasswordFile);
        }
    }
}

namespace DePIN.Gateway.Tests
{
    /// <summary>One server for all tests that do not kill theirs, started by the first that needs it.</summary>
    [SetUpFixture]
    internal sealed class PostgresForTests
    {
        public static readonly Lazy<Task<PostgresServer>> Server = new(() => PostgresServer.StartAsync());

        [OneTimeTearDown]
        public async Task StopAsync()
        {
            if (Server.IsValueCreated) (await Server.Value).Dispose();
        }
    }
}
