"""Which addresses are public, and which URLs are refused for their form alone."""

import pytest

from names import Names
from service.errors import OutboundRefused
from service.web.outbound import OutboundClient
from service.web.routable import is_public

PUBLIC = (
    "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "93.184.216.34", "100.63.255.255", "100.128.0.0",
    "126.255.255.255", "128.0.0.1", "168.63.129.15", "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0",
    "191.255.255.255", "192.0.1.0", "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0", "223.255.255.255",
    "2001:200::1", "2001:4860:4860::8888", "2003::1", "2606:4700:4700::1111", "2a00:1450::1", "3ffd:ffff::1",
    "::ffff:8.8.8.8", "::ffff:808:808", "64:ff9b::8.8.8.8",
)  # fmt: skip
NOT_PUBLIC = (
    # loopback, and what stands for this machine
    "127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "::1", "::",
    # private
    "10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1", "192.168.255.255",
    "fc00::1", "fd00:ec2::254", "fdff:ffff::1",
    # link-local and site-local, zones
    "169.254.0.1", "169.254.169.254", "fe80::1", "febf::1", "fe80::1%eth0", "2606:4700:4700::1111%eth0", "fec0::1",
    "feff::1",
    # carrier-grade NAT, clouds
    "100.64.0.1", "100.100.100.200", "100.127.255.255", "168.63.129.16", "192.0.0.192",
    # multicast, reserved, broadcast
    "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255", "ff02::1", "ff0e::1",
    # documentation, benchmarks, protocols
    "192.0.0.1", "192.0.2.1", "198.51.100.1", "203.0.113.1", "198.18.0.1", "198.19.255.255", "192.88.99.1",
    "2001:db8::1", "3fff::1", "2001:2::1", "2001:10::1", "2001:20::1", "100::1", "5f00::1", "3ffe::1", "4000::1",
    # IPv4 within IPv6
    "::ffff:127.0.0.1", "::ffff:7f00:1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:0.0.0.0",
    "::127.0.0.1", "::7f00:1", "::8.8.8.8", "::ffff:0:127.0.0.1", "64:ff9b::127.0.0.1", "64:ff9b::a00:1",
    "64:ff9b::169.254.169.254", "64:ff9b:1::8.8.8.8", "2002:7f00:1::", "2002:808:808::1", "2001:0:7f00:1::",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    # no plain addresses at all: these are for the resolver, and what it makes of them comes back here
    "", "localhost", "2130706433", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1", "017700000001", "127.1", "127.0.1",
    "127.0.0.01", "[::1]", "::1%25lo", "8.8.8.8 ", "8.8.8.8:80", "\uff11\uff12\uff17.0.0.1", "1.1.1.1\n",
)  # fmt: skip
REFUSED_FORMS = (
    # schemes
    "file:///etc/passwd", "ftp://example.com/x", "gopher://example.com/_x", "dict://example.com/", "ldap://example.com/",
    "javascript:alert(1)", "data:text/plain,x", "unix:///run/x.sock", "ws://example.com/", "jar:http://example.com!/",
    "//example.com/", "example.com/x", "example.org:80/x", "",
    # no host, or what is none
    "http://", "http:///x", "http:example.com", "https:/example.com", "http://?x", "http://#x", "http://:80/",
    "http://exa mple.org/", "http://example.org\x00.evil/", "http://%31%32%37.0.0.1/", "http://a..b/", "http://.a/", "http://a,b/",
    "http://[::1",
    "http://[::g]/", "http://[1.2.3.4]/", "http://[]/", "http://example.org\\@127.0.0.1/", "http://a\\b/",
    # userinfo
    "http://user@example.com/", "http://user:secret@example.com/", "http://:secret@example.com/",
    "http://example.com:80@127.0.0.1/",
    "http://127.0.0.1%2f@example.com/",
    # ports
    "http://example.com:22/", "http://example.com:25/", "http://example.com:0/", "https://example.com:6379/",
    "http://example.com:65536/",
    "http://example.com:-80/", "http://example.com:x/", "http://[::1]:5432/",
)  # fmt: skip


@pytest.mark.parametrize("address", PUBLIC)
def test_an_address_of_the_public_internet_may_be_reached(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_any_other_address_may_not_be_reached(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("url", REFUSED_FORMS)
async def test_a_url_is_refused_for_its_form_before_anything_is_resolved(url: str) -> None:
    names = Names({})
    with pytest.raises(OutboundRefused):
        async with OutboundClient([("example.org", 80)], resolver=names).get(url):
            pass
    assert names.asked == []
