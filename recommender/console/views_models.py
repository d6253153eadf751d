from django.http import HttpResponse


def promote(request, **kw):
    return HttpResponse("x")


def rollback(request, **kw):
    return HttpResponse("x")


def version(request, **kw):
    return HttpResponse("x")


def versions(request, **kw):
    return HttpResponse("x")
