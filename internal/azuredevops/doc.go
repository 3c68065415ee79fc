// Package azuredevops calls Azure DevOps: the PAT Lifecycle Management API and the discovery of a person's
// organizations. Every JSON field, URL and header of those services, every answer they can give, and their tables
// (scopes, errors) belong here, and nothing else does: no pages, no sign-in, no memory of what was asked for.
//
// A call goes
//
//	List, Get, Create, Update, Revoke, Organizations   what is asked for (tokens.go, organizations.go)
//	Caller.do                                          bearer, breaker (guards.go), retries of reads (do.go)
//	Caller.send                                        hold (guards.go), slot (slots.go), one HTTP exchange (do.go)
//	judge                                              what the answer means (judge.go)
//	refuses                                            if a refusal is the service's own (refusal.go)
//
// and each failure is an *Error with a Kind. Four rules hold for all calls:
//
//   - A change is sent at most once. If it is unknown whether it was carried
//     out, its Error says Unknown, and it is for the caller to look.
//   - The bearer goes to the configured addresses only. No redirect is followed.
//   - What befalls one person's calls holds up no other's.
//   - A call ends in bounded time and costs bounded memory, whatever answers it.
//
// https://learn.microsoft.com/rest/api/azure/devops/tokens/pats
package azuredevops
