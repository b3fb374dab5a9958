"""Which addresses on the internet we may connect to when somebody else chose them.

The list is our own: `ipaddress.is_global` of the Pythons that we run on calls 6to4, NAT64,
site-local, IPv4-compatible and multicast addresses global.
"""

from __future__ import annotations

from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address, IPv6Network

_MAX_HOST_CHARS = 253
_MAX_LABEL_CHARS = 63
_LABEL_CHARS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_")

# IANA IPv4 special-purpose address registry (RFC 6890), multicast (RFC 5771), and one address that
# a cloud's virtual machines find their host at although it is public.
_DENIED_IPV4 = tuple(
    IPv4Network(block)
    for block in (
        "0.0.0.0/8",  # this network, and unspecified
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carrier-grade NAT
        "127.0.0.0/8",  # loopback
        "169.254.0.0/16",  # link-local, and cloud metadata
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # AS112
        "192.52.193.0/24",  # AMT
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "192.175.48.0/24",  # AS112
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
        "168.63.129.16/32",  # Azure's host
    )
)

# Only global unicast (RFC 4291) is ever allowed, so that unspecified, loopback, IPv4-compatible,
# IPv4-mapped, NAT64, discard-only, ULA, link-local, site-local and multicast need no line.
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_DENIED_IPV6 = tuple(
    IPv6Network(block)
    for block in (
        "2001::/23",  # protocol assignments: Teredo, benchmarks, ORCHID, AMT
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4
        "2620:4f:8000::/48",  # AS112
        "3ffe::/16",  # 6bone, given back
        "3fff::/20",  # documentation
    )
)


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether `address` belongs to the public internet, and to nothing that is special."""
    if isinstance(address, IPv4Address):
        return not any(address in block for block in _DENIED_IPV4)
    return address in _GLOBAL_UNICAST and not any(address in block for block in _DENIED_IPV6)


def numeric_address(text: str) -> IPv4Address | IPv6Address | None:
    """The address that `text` writes in the one canonical way, without brackets or scope.

    Decimal, octal, hexadecimal and shortened IPv4 forms are no addresses here.
    """
    if "%" in text:
        return None
    for kind in (IPv4Address, IPv6Address):
        try:
            return kind(text)
        except AddressValueError:
            continue
    return None


def is_host_name(host: str) -> bool:
    """Whether `host` is a name for DNS: lower-case ASCII labels, the last of which is no number.

    A resolver reads a name that ends in a number (`2130706433`, `0x7f.1`, `0177.0.0.1`) as an
    IPv4 address, like a browser does (URL standard, "ends in a number").
    """
    labels = host.split(".")
    return (
        len(host) <= _MAX_HOST_CHARS and all(map(_is_label, labels)) and not _is_number(labels[-1])
    )


def _is_label(label: str) -> bool:
    return (
        0 < len(label) <= _MAX_LABEL_CHARS
        and _LABEL_CHARS.issuperset(label)
        and not label.startswith("-")
        and not label.endswith("-")
    )


def _is_number(label: str) -> bool:
    if label.startswith("0x"):
        return all(char in "0123456789abcdef" for char in label[2:])
    return label.isdigit()
