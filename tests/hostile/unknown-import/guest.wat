(import "evil:things/everything@1.0.0" "take" (func $foreign ))
(func $run (result i32)
  (call $foreign)
  (call $let_through))
