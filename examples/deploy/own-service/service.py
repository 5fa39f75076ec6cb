import cara_pseud

schema = cara_pseud.load("calculator.capnp")


class MyCalculator(schema.Calculator):
    async def add(self, first, second):
        return first + second


cara_pseud.run(MyCalculator())
