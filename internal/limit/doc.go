// Package limit bounds what one client or one person can ask for in a time: how often (Rate), how much at once (Slots),
// how much that is still unfinished (Pending). It knows keys and numbers; who a key is, and what is answered, is for
// its users to say.
//
// Everything is counted in this process: with several replicas each counts for itself.
package limit

import "net/netip"

// manyKeys is how many keys one limit remembers. Beyond that the one that wasn't seen for the longest time is dropped:
// a client that comes from so many networks isn't held by a limit for each of them, and must not fill the memory with
// them.
const manyKeys = 20_000

// Network is the key of a client's address: all that one customer of a network can choose addresses from. For IPv6 that
// is a /64 (RFC 6177, section 2). What isn't an address has a key in common.
func Network(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil {
		ap, err := netip.ParseAddrPort(address)
		if err != nil {
			return "unknown"
		}
		a = ap.Addr()
	}
	a = a.Unmap().WithZone("")
	if a.Is4() {
		return a.String()
	}
	return netip.PrefixFrom(a, 64).Masked().String()
}

// Wide is what a key of Network belongs to: all that one customer may get at once. For IPv6 that is a /48 (RFC 6177,
// section 2), for IPv4 a /24. Other keys belong to themselves.
func Wide(network string) string {
	bits := 24
	prefix, err := netip.ParsePrefix(network)
	a := prefix.Addr()
	if err == nil {
		bits = 48
	} else if a, err = netip.ParseAddr(network); err != nil || !a.Is4() {
		return network
	}
	return "in " + netip.PrefixFrom(a, bits).Masked().String()
}
