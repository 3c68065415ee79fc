package simulator

// PatTokenErrors are the values that the API can refuse with.
var PatTokenErrors = patTokenErrors
