// Package entra signs people in at Microsoft Entra ID and keeps them signed in. It is the only user of MSAL: an OAuth
// parameter, an ID token's claim or an AADSTS number that appears anywhere else doesn't belong there.
//
// The flow is the authorization code flow with state, nonce and PKCE
// (https://learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow, RFC 6749, RFC 7636, RFC 9700):
//
//	Begin  -> the address to send the browser to, and an Attempt to keep on the server
//	Finish <- the redirect's query: checked against the Attempt, code redeemed, ID token checked
//	AccessToken: the session's access token, refreshed silently when its time has come
//
// MSAL has no idea of sessions, so each use gets a client of its own, bound to that session's cache. What all share is
// the wire: it remembers the metadata, lets a token be asked for only by those who hold the session's lock, refuses
// what a web app never needs, and brings answers into the one shape that MSAL takes. It also keeps MSAL's error texts
// away from everyone: some of them contain whole token responses.
package entra
