// Package operation is the journal of the changes that people ask for: create, update, revoke and rotate. What belongs
// here is everything between "this form was sent" and "its outcome has been seen"; no HTTP, no HTML, no sign-in.
//
// The service has no idempotency key and shows a token's secret once, in the answer to its creation
// (https://learn.microsoft.com/rest/api/azure/devops/tokens/pats/create). A lost answer therefore loses a secret, and a
// repeated call makes a second token. Exactly-once can't be had over such an interface; this package gives the next
// best: at most one create per form, and every token that was made is shown, can be shown again for a while, is
// revoked, or is named to its owner. The shape is that of an idempotency key kept on our side
// (https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/):
//
//   - A form carries an id that only we can have made, for one person, action and target (form.go).
//   - The first request with it claims it in the store before anything is sent; all others wait for its outcome (do.go).
//   - The work runs apart from the browser's connection and under the operation's lock (worker.go). A lock that is free
//     while the record says "sent" means that the worker died; the first process to see it records so (recover.go).
//   - The secret is kept before the outcome, and the outcome before the answer (secret.go). A rotation's old token is
//     revoked only after that (rotate.go).
//   - What may or may not have been done is never guessed but looked for (reconcile.go).
//
// Nothing here logs or returns a secret but Operation.Unkept and RevealSecret.
package operation
