"""chat: talk with a model in the terminal, with the template and the decoding that training and compare use."""
