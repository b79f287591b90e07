;; Host functions that nobody calls.
;;
;; proxy-wasm dispatches through `dyn` contexts, whose vtables hold the traits' default methods, and
;; those call nearly every function of the host. No compiler can tell that nobody calls them, so the
;; filter would import them all. `make build` merges this module into the filter, so that they resolve
;; here; each traps. tests/lean.rs fails if one is missing after an update of proxy-wasm.
(module
  (func (export "proxy_dequeue_shared_queue") (param i32 i32 i32) (result i32) unreachable)
  (func (export "proxy_done") (result i32) unreachable)
  (func (export "proxy_enqueue_shared_queue") (param i32 i32 i32) (result i32) unreachable)
  (func (export "proxy_get_current_time_nanoseconds") (param i32) (result i32) unreachable)
  (func (export "proxy_get_header_map_pairs") (param i32 i32 i32) (result i32) unreachable)
  (func (export "proxy_get_header_map_value") (param i32 i32 i32 i32 i32) (result i32) unreachable)
  (func (export "proxy_get_status") (param i32 i32 i32) (result i32) unreachable)
  (func (export "proxy_grpc_call") (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) unreachable)
  (func (export "proxy_grpc_cancel") (param i32) (result i32) unreachable)
  (func (export "proxy_grpc_close") (param i32) (result i32) unreachable)
  (func (export "proxy_grpc_send") (param i32 i32 i32 i32) (result i32) unreachable)
  (func (export "proxy_grpc_stream") (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) unreachable)
  (func (export "proxy_http_call") (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) unreachable)
  (func (export "proxy_register_shared_queue") (param i32 i32 i32) (result i32) unreachable)
  (func (export "proxy_resolve_shared_queue") (param i32 i32 i32 i32 i32) (result i32) unreachable)
  (func (export "proxy_set_buffer_bytes") (param i32 i32 i32 i32 i32) (result i32) unreachable)
)
