module example.invalid/hotplate/client/go/conformance

go 1.26.0

require (
	example.invalid/hotplate/client/go v0.1.0
	example.invalid/hotplate/client/go/hotplatemsgpack v0.1.0
)

require (
	github.com/vmihailenco/msgpack/v5 v5.4.1 // indirect
	github.com/vmihailenco/tagparser/v2 v2.0.0 // indirect
	golang.org/x/net v0.60.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
	golang.org/x/text v0.43.0 // indirect
	google.golang.org/genproto/googleapis/rpc v0.0.0-20261026165753-2ffab32bce7e // indirect
	google.golang.org/grpc v1.85.0 // indirect
	google.golang.org/protobuf v1.36.12 // indirect
)

replace example.invalid/hotplate/client/go => ../

replace example.invalid/hotplate/client/go/hotplatemsgpack => ../hotplatemsgpack
