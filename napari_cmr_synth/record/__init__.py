"""The panel that shows how a picture was made, and checks it against its mask."""
