package handlers

import (
	"errors"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/entra"
	"github.com/patdesk/patdesk/internal/operation"
)

// DescribeFailure puts an error that kept a change from being sent into the form in which operations keep it: no
// access token could be had.
func DescribeFailure(err error) operation.Failure {
	if storeDown(err) { // it keeps the access tokens
		return operation.Failure{Source: operation.SourceStore, Kind: "unavailable"}
	}
	var sign *entra.Error
	if !errors.As(err, &sign) {
		return operation.Failure{Source: operation.SourceEntra, Kind: string(entra.KindOther)}
	}
	return operation.Failure{
		Source: operation.SourceEntra, Kind: string(sign.Kind), Code: sign.Code, RetryAfter: sign.RetryAfter, Claims: sign.Claims,
	}
}

// describeAPI puts a failure of the API into the same form.
func describeAPI(e *azuredevops.Error) *operation.Failure {
	return &operation.Failure{
		Source: operation.SourceAzureDevOps, Kind: string(e.Kind), Status: e.Status, Code: e.Code,
		ActivityID: e.ActivityID, RetryAfter: e.RetryAfter, Claims: e.Claims,
	}
}
