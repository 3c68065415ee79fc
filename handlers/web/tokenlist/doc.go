// Package tokenlist is what lists of tokens have in common: the view of a list, which stands in its address, the rows
// and columns, choosing some of them, and how far the organizations have been read.
package tokenlist
