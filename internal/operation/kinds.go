package operation

// DurableKinds are the kinds of records that must outlive the failure of a store's server: a secret can't be had a second
// time, and a claim that is forgotten lets the same form make a second token. Markers need not be among them: they are
// written before their operation, so they are where that is.
func DurableKinds() []string { return []string{kindOperation, kindSecret} }
