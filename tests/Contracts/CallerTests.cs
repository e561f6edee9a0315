using System.Globalization;
using System.Numerics;
using System.Reflection;
using System.Text;
using System.Text.Json.Nodes;
using DePIN.Devnet;
using DePIN.Evidence;

namespace DePIN.Contracts.Tests;

/// <summary>The generated callers against the committed ABI, read here a second time, by reflection.</summary>
public sealed class CallerTests
{
    private static readonly Dictionary<string, Type> Callers = new()
    {
        ["DeviceRegistry"] = typeof(DeviceRegistry),
        ["GatewayRegistry"] = typeof(GatewayRegistry),
        ["Ledger"] = typeof(Ledger),
        ["Disputes"] = typeof(Disputes),
        ["Rewards"] = typeof(Rewards),
        ["Parameters"] = typeof(Parameters),
        ["NetworkToken"] = typeof(NetworkToken),
        ["NetworkTimelock"] = typeof(NetworkTimelock),
        ["NetworkGovernor"] = typeof(NetworkGovernor),
    };

    public static IEnumerable<string> Contracts => ContractsBuild.Contracts;

    [TestCaseSource(nameof(Contracts))]
    public void Every_function_has_a_selector_an_encoder_and_a_decoder_for_what_it_returns(string contract)
    {
        Type caller = Callers[contract];
        List<JsonObject> functions = Items(contract, "function");
        HashSet<uint> selectors = [.. caller.GetFields().Where(field => field.Name.EndsWith("Selector", StringComparison.Ordinal)).Select(field => (uint)field.GetRawConstantValue()!)];
        Assert.That(selectors, Is.EquivalentTo(functions.Select(function => AbiEncoder.SelectorOf(Signature(function)))));
        int encoders = caller.GetMethods().Count(method => method.Name.StartsWith("Encode", StringComparison.Ordinal) && method.Name != "EncodeDeployment");
        int decoders = caller.GetMethods().Count(method => method.Name.StartsWith("TryDecode", StringComparison.Ordinal));
        Assert.Multiple(() =>
        {
            Assert.That(encoders, Is.EqualTo(functions.Count));
            Assert.That(decoders, Is.EqualTo(functions.Count(function => function["outputs"]!.AsArray().Count > 0)));
        });
    }

    [TestCaseSource(nameof(Contracts))]
    public void Every_event_has_its_topic_and_members_in_order(string contract)
    {
        foreach (JsonObject item in Items(contract, "event"))
        {
            string name = item["name"]!.GetValue<string>();
            Type record = Callers[contract].GetNestedType(name + "Event")!;
            Hash32 topic = (Hash32)record.GetField("Topic")!.GetValue(null)!;
            string[] members = [.. record.GetConstructors().Single(c => c.GetParameters().Length != 1 || c.GetParameters()[0].ParameterType != record).GetParameters().Select(p => p.Name!)];
            Assert.Multiple(() =>
            {
                Assert.That(topic, Is.EqualTo(EthereumCrypto.Keccak256(Encoding.ASCII.GetBytes(Signature(item)))), name);
                Assert.That(members.Select(member => member.ToUpperInvariant()), Is.EqualTo(item["inputs"]!.AsArray().Select(input => input!["name"]!.GetValue<string>().ToUpperInvariant())), name);
            });
        }
    }

    [TestCaseSource(nameof(Contracts))]
    public void Every_error_has_its_selector_and_is_named(string contract)
    {
        RevertRegistry reverts = new();
        ContractErrors.AddTo(reverts);
        HashSet<uint> selectors = [.. Callers[contract].GetNestedType("Errors")!.GetFields().Select(field => (uint)field.GetRawConstantValue()!)];
        List<JsonObject> errors = Items(contract, "error");
        Assert.That(selectors, Is.EquivalentTo(errors.Select(error => AbiEncoder.SelectorOf(Signature(error)))));
        foreach (JsonObject error in errors)
        {
            byte[] data = new AbiEncoder().ToCall(AbiEncoder.SelectorOf(Signature(error)));
            Assert.That(reverts.Decode(data).Name, Is.EqualTo(error["name"]!.GetValue<string>()));
        }
    }

    [Test]
    public void A_result_that_is_cut_short_or_has_stray_bits_is_refused()
    {
        byte[] state = new AbiEncoder().UInt(3).UInt(5).UInt(6).UInt(1).Bytes32(Hash32.Zero).ToArray();
        Assert.That(Ledger.TryDecodeState(state, out Ledger.StateResult? result), Is.True);
        Assert.That(result, Is.EqualTo(new Ledger.StateResult(3, 5, 6, 1, Hash32.Zero)));
        for (int length = 0; length < state.Length; length++)
            Assert.That(Ledger.TryDecodeState(state.AsMemory(0, length), out _), Is.False, length.ToString(CultureInfo.InvariantCulture));
        state[0] = 1;
        Assert.That(Ledger.TryDecodeState(state, out _), Is.False);
    }

    [Test]
    public void Random_bytes_from_a_node_never_throw()
    {
        Random random = new(7);
        for (int i = 0; i < 2000; i++)
        {
            byte[] data = new byte[random.Next(0, 20) * 32];
            // Words are mostly small, so that offsets and lengths are often plausible.
            for (int word = 0; word < data.Length; word += 32)
                data[word + 31] = (byte)random.Next(0, 8 * 32);
            Assert.DoesNotThrow(() =>
            {
                GatewayRegistry.TryDecodeGateways(data, out _);
                GatewayRegistry.TryDecodeActive(data, out _);
                DeviceRegistry.TryDecodeDeviceOf(data, out _);
                Ledger.TryDecodeVerify(data, out _);
                Ledger.AnchoredEvent.TryDecode([Ledger.AnchoredEvent.Topic, Hash32.Zero, Hash32.Zero, Hash32.Zero], data, out _);
            });
        }
    }

    [Test]
    public void A_list_of_gateways_round_trips()
    {
        GatewayRegistry.Gateway[] gateways =
        [
            new(Address.Parse("0x0000000000000000000000000000000000000001"), Hash32.Zero, ""),
            new(Address.Parse("0x0000000000000000000000000000000000000002"), EthereumCrypto.Keccak256("key"u8), "https://gateway-2.example:8443/peer"),
        ];
        byte[] data = new AbiEncoder()
            .Array(gateways, static (e, g) => e.Tuple(t => t.Address(g.Signer).Bytes32(g.TlsKeyHash).String(g.Endpoint))).ToArray();
        Assert.That(GatewayRegistry.TryDecodeGateways(data, out GatewayRegistry.Gateway[]? read), Is.True);
        Assert.That(read, Is.EqualTo(gateways));
    }

    [Test]
    public void A_token_id_is_the_device_id_as_a_number()
    {
        byte[] device = [.. Enumerable.Range(1, 20).Select(i => (byte)i)];
        Assert.That(DeviceRegistryReader.TokenOf(device), Is.EqualTo(BigInteger.Parse("0102030405060708090a0b0c0d0e0f1011121314", NumberStyles.HexNumber, CultureInfo.InvariantCulture)));
        Assert.That(() => DeviceRegistryReader.TokenOf(device.AsSpan(1)), Throws.ArgumentException);
    }

    [Test]
    public void A_deployment_record_round_trips_and_says_what_is_wrong()
    {
        DeploymentRecord record = new(31337, Address.Parse("0x5FbDB2315678afecb367f032d93F642f64180aa3"), Address.Zero, Address.Zero, 900, 12);
        Assert.That(DeploymentRecord.FromJson(record.ToJson(), out string problem), Is.EqualTo(record), problem);
        DeploymentRecord whole = record with { Community = new CommunityContracts(record.DeviceRegistry, Address.Zero, Address.Zero, Address.Zero, Address.Zero, record.DeviceRegistry) };
        Assert.That(DeploymentRecord.FromJson(whole.ToJson(), out string none), Is.EqualTo(whole), none);
        Assert.Multiple(() =>
        {
            Assert.That(DeploymentRecord.FromJson("{}", out string missing), Is.Null);
            Assert.That(missing, Is.EqualTo("chainId is missing"));
            Assert.That(DeploymentRecord.FromJson("[]", out _), Is.Null);
            Assert.That(DeploymentRecord.FromJson("null", out _), Is.Null);
            Assert.That(DeploymentRecord.FromJson(record.ToJson().Replace("0x5fbdb", "0x5fbd", StringComparison.Ordinal), out string address), Is.Null);
            Assert.That(address, Is.EqualTo("deviceRegistry is not an address"));
        });
    }

    private static List<JsonObject> Items(string contract, string type) =>
        [.. JsonNode.Parse(ContractArtifact.Abi(contract))!.AsArray().Select(item => item!.AsObject()).Where(item => item["type"]!.GetValue<string>() == type)];

    private static string Signature(JsonObject item) => item["name"]!.GetValue<string>() + Types(item["inputs"]!.AsArray());

    private static string Types(JsonArray members) => "(" + string.Join(",", members.Select(member =>
    {
        string type = member!["type"]!.GetValue<string>();
        return type.StartsWith("tuple", StringComparison.Ordinal) ? Types(member["components"]!.AsArray()) + type[5..] : type;
    })) + ")";
}
