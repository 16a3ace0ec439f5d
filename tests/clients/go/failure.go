package main

import (
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// failure is a failed call, read as grpc-go's users do: by its status and the status's
// details.
type failure struct {
	// text is what `fmt.Println(err)` prints.
	text   string
	info   *errdetails.ErrorInfo
	retry  *errdetails.RetryInfo
	fields []string
	limits []string
}

// failure is the failure of a call that has to fail with this code.
func (c *check) failure(code codes.Code, err error) failure {
	if err == nil {
		c.fail("the call was answered, not refused with %s", code)
	}
	c.equal("the code of '"+err.Error()+"'", status.Code(err).String(), code.String())
	return details(err)
}

// details is what a failed call says.
func details(err error) failure {
	failure := failure{text: err.Error()}
	for _, detail := range status.Convert(err).Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			failure.info = detail
		case *errdetails.RetryInfo:
			failure.retry = detail
		case *errdetails.BadRequest:
			for _, violation := range detail.GetFieldViolations() {
				failure.fields = append(failure.fields, violation.GetField())
			}
		case *errdetails.QuotaFailure:
			for _, violation := range detail.GetViolations() {
				failure.limits = append(failure.limits, violation.GetDescription())
			}
		}
	}
	return failure
}
