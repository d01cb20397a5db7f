;; imports my_namespace.imported_func; the export calls it with 42
(module
  (func $imported (import "my_namespace" "imported_func") (param i32))
  (func (export "exported_func")
    i32.const 42
    call $imported))
