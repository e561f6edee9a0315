using System.Text;

namespace DePIN.Mqtt.Tests;

[TestFixture]
public sealed class TopicRulesTests
{
    [TestCase("a", true)]
    [TestCase("/", true)]
    [TestCase("#", true)]
    [TestCase("+", true)]
    [TestCase("+/a/#", true)]
    [TestCase("/+", true)]
    [TestCase("", false)]
    [TestCase("a#", false)]
    [TestCase("a/#/b", false)]
    [TestCase("a+/b", false)]
    [TestCase("a/+b", false)]
    [TestCase("$share/group/a/+", true)]
    [TestCase("$share/group", false)]
    [TestCase("$share/group/", false)]
    [TestCase("$share//a", false)]
    [TestCase("$share/gr+oup/a", false)]
    public void A_filter_is_valid_or_not(string filter, bool valid) =>
        Assert.That(TopicRules.IsFilter(Encoding.UTF8.GetBytes(filter)), Is.EqualTo(valid));

    [TestCase("a/b", "a/b", true)]
    [TestCase("a/b", "a/c", false)]
    [TestCase("a/b", "a", false)]
    [TestCase("a", "a/b", false)]
    [TestCase("+", "a", true)]
    [TestCase("+", "/a", false)]
    [TestCase("+/+", "/a", true)]
    [TestCase("/+", "/a", true)]
    [TestCase("a/+", "a/", true)]
    [TestCase("a/+", "a", false)]
    [TestCase("a/#", "a", true)]
    [TestCase("a/#", "a/b/c", true)]
    [TestCase("#", "a/b", true)]
    [TestCase("#", "/", true)]
    [TestCase("#", "$SYS/a", false)]
    [TestCase("+/a", "$SYS/a", false)]
    [TestCase("$SYS/#", "$SYS/a", true)]
    [TestCase("$SYS/+", "$SYS/a", true)]
    [TestCase("+/b/#", "a/b", true)]
    [TestCase("a/b/c", "a/b", false)]
    public void A_filter_matches_a_topic_or_not(string filter, string topic, bool matches) =>
        Assert.That(TopicRules.Matches(Encoding.UTF8.GetBytes(filter), Encoding.UTF8.GetBytes(topic)), Is.EqualTo(matches));
}
