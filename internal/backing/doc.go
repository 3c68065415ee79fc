// Package backing opens what the settings name for patdesk to stand on: the store of its sessions and the credential
// with which it proves to Entra ID which app it is. The program and -check do that in the same way, and word what is
// wrong with it in the same words.
package backing
