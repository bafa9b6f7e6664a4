"""What the black-box tests share: the gateway's process, raw clients, scripted backends and tokens."""
