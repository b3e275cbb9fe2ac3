pub fn show_typing_again() {}
