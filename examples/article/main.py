from private_greeting import greet

print(greet())
