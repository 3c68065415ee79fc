package web

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/failure"
	"github.com/patdesk/patdesk/internal/session"
)

// maxChallenges bounds how many answered challenges a session remembers.
const maxChallenges = 5

// NoteChallenge remembers that this session began by answering claims.
func NoteChallenge(ctx context.Context, s *session.Session, claims string) error {
	return s.Change(ctx, func(state *session.State) {
		state.Challenges = append(state.Challenges, challengeName(claims))
		if extra := len(state.Challenges) - maxChallenges; extra > 0 {
			state.Challenges = slices.Delete(state.Challenges, 0, extra)
		}
	})
}

// AnsweredBefore says if err is a challenge that this session has answered already: asking the person to sign in once
// more would never end.
func AnsweredBefore(s *session.Session, err error) bool {
	f := failure.Of(err)
	return f.Source == failure.SourceAzureDevOps && f.Kind == string(azuredevops.KindClaims) &&
		slices.Contains(s.State().Challenges, challengeName(f.Claims))
}

func challengeName(claims string) string {
	sum := sha256.Sum256([]byte(claims))
	return hex.EncodeToString(sum[:8])
}
